"""One run: from a checked config to a folder with weights, curves, pictures and a number."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from lightning_utilities.core.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from cnnlab.config.check import check, locate
from cnnlab.config.make import make
from cnnlab.data.batches import mixed_seed
from cnnlab.data.datamodule import DataModule
from cnnlab.errors import TrainingError, UserError, reason
from cnnlab.figures.curves import learning_curves
from cnnlab.figures.style import save
from cnnlab.memory import smaller_batch, within_memory
from cnnlab.models.describe import Description, describe
from cnnlab.models.module import NetworkModule
from cnnlab.training.callbacks import make_callbacks
from cnnlab.training.caveats import caveats
from cnnlab.training.checkpoints import load_weights
from cnnlab.training.features import served
from cnnlab.training.fingerprints import weights_fingerprint
from cnnlab.training.folder import RESULT, RunFolder
from cnnlab.training.loggers import EpochRecords, TensorBoard
from cnnlab.training.pictures import first_batch, of_the_test
from cnnlab.training.process import settled, without_idle_warnings
from cnnlab.training.result import Result, config_fingerprint, git_state, versions, write_predictions
from cnnlab.training.trainer import build_trainer, epoch_teller

LESS_MEMORY = (
    "a smaller network, smaller samples, or data.memory=map where there is such a setting, need less"
)
TERMINATED = 143  # the shell's code for SIGTERM


def build(cfg: DictConfig, *, restored: bool = False) -> tuple[DataModule, NetworkModule]:
    """Make data module and model from a config, without touching the data's files.

    The initial weights depend on the seed and the network alone.

    Args:
        cfg: a checked config.
        restored: the weights will come from a checkpoint; pretrained ones are neither read nor fetched.

    Raises:
        UserError: if the model cannot take the data, or a value is out of range.
    """
    data: DataModule = make("data", cfg.data)
    torch.manual_seed(cfg.seed)
    fixed = getattr(locate("model", cfg.model._target_), "settings_of_restored", {}) if restored else {}
    model: NetworkModule = make(
        "model",
        cfg.model,
        spec=data.spec,
        optimizer=make("optimizer", cfg.optimizer),
        schedule=make("schedule", cfg.schedule),
        **fixed,
    )
    try:
        model.configure_optimizer()
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"optimizer: {reason(error)}") from error
    if data.batch_size == 1 and any(isinstance(m, torch.nn.BatchNorm1d) for m in model.modules()):
        raise UserError("data.batch_size=1: batch norm of dense layers needs two samples or more.")
    return data, model


def run(cfg: DictConfig, folder: Path, *, told: Sequence[str] = ()) -> Result:
    """Train, test and write everything into ``folder``.

    Args:
        cfg: a composed config.
        folder: the run folder; it is created.
        told: the overrides as typed, which TensorBoard shows beside the final metrics.

    Returns:
        What ``result.json`` says.

    Raises:
        UserError: for a mistake in the config or the data.
        TrainingError: if the training itself failed.
        KeyboardInterrupt: if it was interrupted; ``checkpoints/last.ckpt`` holds the state.
    """
    started = time.monotonic()
    place = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    result = Result(versions=versions(), git=git_state())
    try:
        check(cfg)
        place.write_config(cfg, told)
        result.seed, result.config_fingerprint = cfg.seed, config_fingerprint(cfg)
        with without_idle_warnings(), within_memory("preparing the run", LESS_MEMORY):
            Run(cfg, folder, result, told).go()
        result.status = "finished"
    except KeyboardInterrupt:
        result.status, result.reason = "interrupted", "interrupted from the keyboard"
        raise
    except SystemExit:
        result.status, result.reason = "interrupted", "terminated by a signal"
        raise
    except BaseException as error:
        result.reason = f"{type(error).__name__}: {error}"
        result.failure = error.details if isinstance(error, TrainingError) else None
        raise
    finally:
        result.seconds = round(time.monotonic() - started, 3)
        rank_zero_only(result.write)(folder / RESULT)
    return result


@dataclass
class Run:
    """The stages of one run, in the order in which :meth:`go` takes them."""

    cfg: DictConfig
    folder: Path
    result: Result
    told: Sequence[str] = ()

    def go(self) -> None:
        """Build, prepare, fit, restore the best weights, test, and write."""
        self.data, self.model = build(self.cfg)
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
            self._finish_tensorboard()

    def _build_trainer(self) -> None:
        cfg = self.cfg
        self.records = EpochRecords(self.folder / "metrics.csv", epoch_teller(cfg.trainer.get("max_epochs")))
        self.boards: list[TensorBoard] = [
            make(f"logger.{name}", node, folder=str(self.folder / "tensorboard"))
            for name, node in (cfg.logger or {}).items()
        ]
        self.callbacks = make_callbacks(cfg, self.model, self.folder)
        self.checkpoint = self.callbacks.checkpoint
        self.trainer = build_trainer(
            cfg.trainer,
            self.model.network,
            self.folder,
            callbacks=self.callbacks.all(),
            loggers=[self.records, *self.boards],
        )
        self.result.device = str(self.trainer.strategy.root_device)
        self.result.precision = str(self.trainer.precision)

    def _prepare_data(self) -> None:
        self.data.prepare_data()
        self.data.setup()
        self.result.samples = self.data.counts()
        self.result.skipped = list(self.data.skipped)
        self.result.data_fingerprint = self.data.fingerprint()
        self.result.caveats = caveats(
            self.trainer, self.data, self.cfg.trainer.get("deterministic"), self.result.git
        )
        if not self.model.preprocess.all_fitted:
            blocks = self.data.training_blocks(self.model.preprocess.block_length)
            self.model.preprocess.fit(blocks)
        self.served = served(self.data, self.model, self.trainer)

    def _show_start(self, description: Description) -> None:
        """Write the network's table, and the first batch as the network will see it."""
        for board in self.boards:
            board.log_text("network", description.as_markdown())
            board.log_text("config", f"```yaml\n{OmegaConf.to_yaml(self.cfg, resolve=True)}```")
        if self.boards and (figure := first_batch(self.data)) is not None:
            for board in self.boards:
                board.log_figure("first batch", figure)

    def _fit(self) -> None:
        # Dropout draws from here on, whatever the initialisation has drawn.
        pl.seed_everything(mixed_seed(self.cfg.seed, 1) % (1 << 32), verbose=False)
        size = len(self.data.splits.train.rows) if self.data.batch_size == "all" else self.data.batch_size
        try:
            with (
                settled(),
                interruptions(self.trainer),
                within_memory(f"training with data.batch_size={size}", smaller_batch(size)),
            ):
                self.trainer.fit(self.model, datamodule=self.served)
        finally:
            self.result.epochs = len(self.records.rows)
            self.result.warnings = list(self.callbacks.learning.warnings)
            self.result.steps_left_out = getattr(self.callbacks.on_nan, "left_out", 0)
        self.result.followed = self.checkpoint.monitor
        self.result.samples_per_second = self.callbacks.speed.samples_per_second

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
        with interruptions(self.trainer), within_memory(doing, LESS_MEMORY):
            self.trainer.test(self.model, datamodule=self.served, verbose=False)
        self.outputs = torch.cat(self.model.kept_outputs)
        part = self.data.splits.test
        self.rows = torch.from_numpy(part.rows)[: len(self.outputs)]
        self.targets = torch.cat(self.model.kept_targets)
        self.said = self.model.objective.outputs_for_users(self.outputs)
        self.result.test = self.model.objective.measure(self.outputs, self.targets)
        self.result.weights_fingerprint = weights_fingerprint(self.model)

    def _write_predictions(self) -> None:
        write_predictions(
            self.folder / "predictions.h5",
            targets=self.targets.numpy(),
            outputs=self.said.numpy(),
            rows=self.rows.numpy(),
            class_names=self.data.spec.class_names,
        )

    def _write_figures(self, best: int | None) -> None:
        title = f"{type(self.model.network).__name__} on {self.data.spec.name}, seed {self.cfg.seed}"
        made = of_the_test(self.data, self.targets, self.said, title=f"Test of {title}")
        if self.records.rows:
            made["learning curves"] = learning_curves(self.records.history(), best_epoch=best, title=title)
        for name, figure in made.items():
            save(figure, self.folder / "figures" / f"{name.replace(' ', '_')}.png")
            for board in self.boards:
                board.log_figure(name, figure)

    def _finish_tensorboard(self) -> None:
        settings = told_settings(self.cfg, self.told)
        metrics = {
            f"{part} {name}": value
            for part, found in (("best val", self.result.val), ("final test", self.result.test))
            for name, value in found.items()
        }
        for board in self.boards:
            board.log_result(settings, metrics)
            board.close()


@contextlib.contextmanager
def interruptions(trainer: pl.Trainer) -> Iterator[None]:
    """Give Ctrl-C its own name again, which Lightning turns into an exit."""
    try:
        yield
    except SystemExit as error:
        if trainer.received_sigterm:
            raise SystemExit(TERMINATED) from error
        if trainer.interrupted:
            raise KeyboardInterrupt from error
        raise
    except MisconfigurationException as error:
        raise UserError(f"trainer: {reason(error)}") from error


def told_settings(cfg: DictConfig, told: Sequence[str]) -> dict[str, bool | int | float | str]:
    """Settings that were typed, as plain values for TensorBoard's table, and the seed.

    Examples:
        >>> cfg = OmegaConf.create({"model": {"hidden": [10], "l2": 0.5}, "seed": 3})
        >>> told_settings(cfg, ["model=mlp", "model.hidden=[10]", "model.l2=0.5"])
        {'model': 'mlp', 'model.hidden': '[10]', 'model.l2': 0.5, 'seed': 3}
    """
    settings: dict[str, bool | int | float | str] = {}
    for override in told:
        key, _, text = override.lstrip("+").partition("=")
        value = text if key.startswith("~") else OmegaConf.select(cfg, key, default=text)
        settings[key] = value if isinstance(value, (bool, int, float)) else text
    return settings | {"seed": int(cfg.seed)}
