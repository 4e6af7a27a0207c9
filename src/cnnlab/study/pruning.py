"""Giving up a trial that does worse than the others did."""

import math
from pathlib import Path

import pytorch_lightning as pl

from cnnlab.errors import Pruned
from cnnlab.study.search import SearchSettings, import_optuna, open_storage, pruner


class Pruning(pl.Callback):
    """Reports validation's followed metric to Optuna after each epoch, and ends a hopeless training.

    Args:
        settings: of the search.
        folder: of the study.
        number: of the trial.
    """

    def __init__(self, settings: SearchSettings, folder: Path, number: int) -> None:
        self.number = number
        optuna = import_optuna()
        storage = open_storage(settings, folder)
        name = settings.name(folder)
        study = optuna.load_study(study_name=name, storage=storage, pruner=pruner(settings))
        found = storage.get_trial_id_from_study_id_trial_number(storage.get_study_id_from_name(name), number)
        self.trial = optuna.trial.Trial(study, found)
        # A trial that is run again, after a kill, says nothing twice.
        self.reported = set(storage.get_trial(found).intermediate_values)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the metric that the best epoch is chosen by.

        Raises:
            Pruned: if the trial is given up.
        """
        checkpoint = trainer.checkpoint_callback
        monitor = getattr(checkpoint, "monitor", None)
        value = trainer.callback_metrics.get(monitor) if monitor else None
        if value is None or trainer.sanity_checking:
            return
        epoch = trainer.current_epoch + 1
        if epoch not in self.reported and math.isfinite(float(value)):
            self.trial.report(float(value), epoch)
        if self.trial.should_prune():
            raise Pruned(f"given up after epoch {epoch}, with {monitor} {float(value):.4f}")
