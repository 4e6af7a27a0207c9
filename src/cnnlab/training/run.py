"""One run: from a checked config to a folder with weights, curves, pictures and a number."""

import contextlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_utilities.core.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from cnnlab.config.check import check
from cnnlab.config.make import make
from cnnlab.data.batches import mixed_seed
from cnnlab.errors import Pruned, TrainingError, UserError
from cnnlab.figures.dark import save_dark_twin
from cnnlab.figures.style import png, save
from cnnlab.files import remove_leftovers
from cnnlab.memory import smaller_batch, within_memory
from cnnlab.models.describe import Description, describe
from cnnlab.training.build import build
from cnnlab.training.callbacks import make_callbacks
from cnnlab.training.caveats import caveats, of_the_end
from cnnlab.training.checkpoints import load_weights
from cnnlab.training.features import served
from cnnlab.training.fingerprints import weights_fingerprint
from cnnlab.training.finite import no_numbers, require_filled
from cnnlab.training.first_state import FirstState
from cnnlab.training.folder import METRICS, PREDICTIONS, RESULT, TENSORBOARD, RunFolder
from cnnlab.training.interruptions import INTERRUPTED, NAMES, Interruption, explained
from cnnlab.training.loggers import EpochRecords, TensorBoard, finish, told_settings
from cnnlab.training.pictures import Outcome, first_batch, title_of
from cnnlab.training.process import settled, without_idle_warnings
from cnnlab.training.result import Result, config_fingerprint, git_state, versions, write_predictions
from cnnlab.training.resuming import RunState, Start
from cnnlab.training.trainer import build_trainer, epoch_teller, require_test_batches

LESS_MEMORY = (
    "a smaller network, smaller samples, or data.memory=map where there is such a setting, need less"
)
KEPT_NAMES = 200  # of files that were left out; a result is read up to a megabyte


def run(
    cfg: DictConfig,
    folder: Path,
    *,
    told: Sequence[str] = (),
    common: Collection[str] = (),
    start: Start | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> Result:
    """Train, test and write everything into ``folder``.

    Args:
        cfg: a composed config.
        folder: the run folder; it is created.
        told: the overrides as typed, which TensorBoard shows beside the final metrics.
        common: keys that were told all runs of a study, which its table leaves out.
        start: where a run that is resumed goes on; None begins a new one.
        callbacks: further ones, beside those of the config.

    Returns:
        What ``result.json`` says.

    Raises:
        UserError: for a mistake in the config or the data, where another process trains this run, or where
            a new run would destroy one.
        TrainingError: if the training itself failed.
        Pruned: if one of the callbacks gave it up.
        SystemExit: if a signal ended it, with the shell's code; ``checkpoints/last.ckpt`` holds the state.
    """
    place, interruption = RunFolder(folder), Interruption()
    with place.held(), interruption.watched():
        if start is None:
            rank_zero_only(place.make_room)()
        result = Result(versions=versions(), git=git_state())
        return _written(Run(cfg, folder, result, told, common, start, interruption, callbacks), place)


def _written(run: "Run", place: RunFolder) -> Result:
    """Go through a run's stages, and write how it ended."""
    started = time.monotonic()
    cfg, result, start, refused = run.cfg, run.result, run.start, False
    try:
        check(cfg)
        remove_leftovers(place.path)
        if start is None or start.path is None:
            run.first_state.begin()
        result.seed, result.config_fingerprint = cfg.seed, config_fingerprint(cfg)
        with without_idle_warnings(), within_memory("preparing the run", LESS_MEMORY):
            run.go()
        run.first_state.begin()
        result.status = "finished"
    except (KeyboardInterrupt, SystemExit) as error:
        code = error.code if isinstance(error, SystemExit) else INTERRUPTED
        result.status, result.reason = "interrupted", NAMES.get(code, str(code))
        raise
    except Pruned as error:
        result.status, result.reason = "pruned", str(error)
        raise
    except BaseException as error:
        refused = isinstance(error, UserError)
        result.reason = f"{type(error).__name__}: {error}"
        result.failure = error.details if isinstance(error, TrainingError) else None
        raise
    finally:
        earlier = start.seconds if start is not None else 0.0
        result.seconds = round(time.monotonic() - started + earlier, 3)
        # What did not go on has changed nothing.
        if run.first_state.begun or not (refused or place.is_finished):
            # On a full disk there is no room for the word that it is full.
            with contextlib.nullcontext() if result.status == "finished" else contextlib.suppress(OSError):
                rank_zero_only(result.write)(place.path / RESULT)
    place.previous.unlink(missing_ok=True)
    return result


@dataclass
class Run:
    """The stages of one run, in the order in which :meth:`go` takes them."""

    cfg: DictConfig
    folder: Path
    result: Result
    told: Sequence[str] = ()
    common: Collection[str] = ()
    start: Start | None = None
    interruption: Interruption = field(default_factory=Interruption)
    callbacks: Sequence[pl.Callback] = ()

    def __post_init__(self) -> None:
        self.first_state = FirstState(rank_zero_only(self._replace_what_was))

    def _replace_what_was(self) -> None:
        """Take the place of an earlier sitting: until this one is finished, the run is not."""
        (self.folder / RESULT).unlink(missing_ok=True)
        RunFolder(self.folder).write_config(self.cfg, self.told)

    def go(self) -> None:
        """Build, prepare, fit, restore the best weights, test, and write."""
        self.checkpoint_path = self.start.path if self.start is not None else None
        self.data, self.model = build(self.cfg, restored=self.checkpoint_path is not None)
        if self.checkpoint_path is not None:
            # Features that are kept are found by the weights of the body.
            load_weights(self.model, self.checkpoint_path)
        description = describe(
            self.model.network, self.model.preprocess.output_shape, self.model.network_dtype
        )
        self.result.parameters = description.parameters
        self.result.parameters_trained = description.trained
        self._build_trainer()
        self._prepare_data()
        self._show_start(description)
        self._fit()
        best = self._restore_best()
        self._test()
        if self.trainer.is_global_zero:
            self._write_predictions()
            self._write_figures(best)
            settings = told_settings(self.cfg, self.told, self.common)
            finish(self.boards, settings, self.result.val, self.result.test)

    def _build_trainer(self) -> None:
        cfg = self.cfg
        self.records = EpochRecords(self.folder / METRICS, epoch_teller(cfg.trainer.get("max_epochs")))
        self.boards: list[TensorBoard] = [
            make(f"logger.{name}", node, folder=str(self.folder / TENSORBOARD))
            for name, node in (cfg.logger or {}).items()
        ]
        self.state = RunState(self.records)
        self.watchers = make_callbacks(cfg, self.model, self.folder)
        self.checkpoint = self.watchers.checkpoint
        self.checkpoint.interruption = self.interruption
        self.trainer = build_trainer(
            cfg.trainer,
            self.model.network,
            self.folder,
            callbacks=[self.state, *self.watchers.all(), *self.callbacks, self.first_state],
            loggers=[self.records, *self.boards],
        )
        self.result.device = str(self.trainer.strategy.root_device)
        self.result.precision = str(self.trainer.precision)

    def _prepare_data(self) -> None:
        self.data.prepare_data()
        self.data.setup()
        self.result.samples = self.data.counts()
        skipped = self.data.skipped
        self.result.skipped = list(skipped[:KEPT_NAMES])
        if len(skipped) > KEPT_NAMES:
            self.result.skipped.append(f"and {len(skipped) - KEPT_NAMES:,} others")
        self.result.data_fingerprint = self.state.data_fingerprint = self.data.fingerprint()
        self.result.caveats = caveats(
            self.trainer, self.data, self.cfg.trainer.get("deterministic"), self.result.git
        )
        # A step with a gap is left out on demand; what is fitted beforehand cannot leave one out.
        skips = self.cfg.callbacks.on_nan == "skip" and self.model.preprocess.all_fitted
        require_filled(self.data, self.model, ("val", "test") if skips else ("train", "val", "test"))
        if self.start is not None:
            self._go_on(self.start)
        rank_zero_only(RunFolder(self.folder).write_input_format)(self.data.input_format)
        if not self.model.preprocess.all_fitted:
            blocks = self.data.training_blocks(self.model.preprocess.block_length)
            self.model.preprocess.fit(blocks)
        self.served = served(self.data, self.model, self.trainer)
        require_test_batches(self.trainer.limit_test_batches or 0, len(self.served.test_dataloader()))

    def _go_on(self, start: Start) -> None:
        """Take up the curves where the checkpoint was written."""
        if start.path is not None:
            if start.data_fingerprint != self.state.data_fingerprint:
                raise UserError(f"{self.folder}: the data is no longer what this run was trained on.")
            self.records.restore(start.epochs, start.seconds, start.open_row)
        for board in self.boards:
            board.restore(self.records.rows)

    def _show_start(self, description: Description) -> None:
        """Write the network's table, and the first batch as the network will see it."""
        for board in self.boards:
            board.log_text("network", description.as_markdown())
            board.log_text("config", f"```yaml\n{OmegaConf.to_yaml(self.cfg, resolve=True)}```")
        if self.boards and (figure := first_batch(self.data)) is not None:
            for board in self.boards:
                board.log_figure("first batch", png(figure))

    def _fit(self) -> None:
        # Dropout draws from here on, whatever the initialisation has drawn.
        pl.seed_everything(mixed_seed(self.cfg.seed, 1) % (1 << 32), verbose=False)
        size = len(self.data.splits.train.rows) if self.data.batch_size == "all" else self.data.batch_size
        try:
            with (
                settled(),
                self.interruption.deferred(),
                self.state.doubted(self.checkpoint_path),
                explained(self.trainer),
                within_memory(f"training with data.batch_size={size}", smaller_batch(size)),
            ):
                self.trainer.fit(self.model, datamodule=self.served, ckpt_path=self.checkpoint_path)
        finally:
            self.result.epochs = len(self.records.rows)
            self.result.warnings = list(self.watchers.learning.warnings)
            self.result.steps_left_out = getattr(self.watchers.on_nan, "left_out", 0)
        self.result.caveats += of_the_end(self.trainer)
        self.result.followed = self.checkpoint.monitor
        self.result.samples_per_second = self.watchers.speed.samples_per_second

    def _restore_best(self) -> int | None:
        """Load the best epoch's weights; without one, those of the end stay."""
        if not self.checkpoint.best_model_path:
            self._keep_validation(self.result.epochs)
            return None
        best = load_weights(self.model, Path(self.checkpoint.best_model_path))
        self.result.best_epoch = best
        self._keep_validation(best)
        return best

    def _keep_validation(self, epoch: int) -> None:
        """Note what validation said after an epoch."""
        row = next((row for row in self.records.rows if row["epoch"] == epoch), {})
        self.result.val = {key[4:]: value for key, value in row.items() if key.startswith("val/")}

    def _test(self) -> None:
        doing = f"testing with batches of {self.data.evaluation_batch(self.data.splits.test)}"
        with explained(self.trainer), within_memory(doing, LESS_MEMORY):
            self.trainer.test(self.model, datamodule=self.served, verbose=False)
        self.outputs = torch.cat(self.model.kept_outputs)
        if why := no_numbers(self.outputs):
            raise TrainingError(f"{why}.")
        part = self.data.splits.test
        self.rows = torch.from_numpy(part.rows)[: len(self.outputs)]
        self.targets = torch.cat(self.model.kept_targets)
        self.said = self.model.objective.outputs_for_users(self.outputs)
        self.result.test = self.model.objective.measure(self.outputs, self.targets)
        self.result.weights_fingerprint = weights_fingerprint(self.model)

    def _write_predictions(self) -> None:
        write_predictions(
            self.folder / PREDICTIONS,
            targets=self.targets.numpy(),
            outputs=self.said.numpy(),
            rows=self.rows.numpy(),
            class_names=self.data.spec.class_names,
        )

    def _write_figures(self, best: int | None) -> None:
        outcome = Outcome(
            self.data,
            self.model,
            self.targets,
            self.said,
            self.records.history(),
            best,
            title_of(self.model, self.cfg, self.told),
        )
        for name, draw in outcome.drawings().items():
            path = save(figure := draw(), RunFolder(self.folder).figure(name))
            for board in self.boards:
                board.log_figure(name, path.read_bytes())
            save_dark_twin(figure, path)
        if confused := outcome.confusions():
            for board in self.boards:
                board.log_text("most confused", "\n".join(f"- {words}" for words in confused))
