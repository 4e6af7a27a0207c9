"""Where the numbers of an epoch go: metrics.csv and a line on the screen, and TensorBoard."""

import csv
import io
import time
from argparse import Namespace
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import rank_zero_experiment
from lightning_utilities.core.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from pytorch_lightning.loggers import Logger
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from cnnlab.errors import UserError, reason
from cnnlab.files import write_text
from cnnlab.training.metrics_csv import Row, as_columns, as_csv, columns, read_rows, seven_digits
from cnnlab.training.result import NOT_FINGERPRINTED

RUN_NAMES = {"watched_test": "test"}
ALWAYS_SHOWN = ("experiment", "model", "data")  # in TensorBoard's table of settings


class EpochRecords(Logger):
    """One row per epoch, in memory, in ``metrics.csv`` and for whoever wants to print it.

    Args:
        path: the CSV file; a row is appended in one piece, and all is written anew where a column is new.
        on_epoch: called with each finished row.
    """

    def __init__(self, path: Path, on_epoch: Callable[[Row], None] | None = None) -> None:
        super().__init__()
        self.path, self.on_epoch = path, on_epoch
        self.rows: list[Row] = []
        self.open_row: Row = {}
        self._columns: list[str] = []
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the run has taken."""
        return round(time.monotonic() - self._started, 3)

    @rank_zero_only
    def restore(self, epochs: int, seconds: float, open_row: Row) -> None:
        """Go on with a run of which so many epochs are complete; later rows are made again.

        Args:
            epochs: of which there are checkpoints.
            seconds: that they took.
            open_row: what is measured already of the next one.

        Raises:
            UserError: if the file does not hold these rows.
        """
        self._started -= seconds
        self.open_row = open_row
        if not epochs:
            return
        try:
            rows = read_rows(self.path)
        except (OSError, ValueError, csv.Error) as error:
            raise UserError(f"{self.path}: the epochs before cannot be read ({reason(error)}).") from error
        self.rows = rows[:epochs]
        whole = all("seconds" in row for row in self.rows)
        if not whole or [row.get("epoch") for row in self.rows] != list(range(1, epochs + 1)):
            raise UserError(f"{self.path}: it does not hold the {epochs} epochs of the checkpoint.")
        self._columns = columns(self.rows)
        write_text(self.path, as_csv(self.rows, self._columns))

    @property
    def name(self) -> str:
        """Name of this logger."""
        return "metrics"

    @property
    def version(self) -> str:
        """Lightning asks for one."""
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """The run folder holds the config already."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Collect validation's means; training's come last and end the epoch's row."""
        self.open_row |= {key: seven_digits(value) for key, value in metrics.items() if key != "epoch"}
        if "train/loss" not in metrics:
            return
        row = {
            "epoch": int(metrics["epoch"]) + 1,
            "step": int(step or 0),
            "seconds": self.seconds,
        } | self.open_row
        self.open_row = {}
        self.rows.append(row)
        self._write(row)
        if self.on_epoch is not None:
            self.on_epoch(row)

    def _write(self, row: Row) -> None:
        """Append a row; writing thousands of them anew at each epoch would take longer than the epoch."""
        known = len(self._columns)
        self._columns = list(dict.fromkeys([*self._columns, *row]))
        if known == len(self._columns):
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(as_csv([row], self._columns).partition("\n")[2])
        else:
            write_text(self.path, as_csv(self.rows, self._columns))

    def history(self) -> dict[str, list[float]]:
        """The rows as columns; a metric missing in an epoch is NaN there."""
        return as_columns(self.rows)


class TensorBoard(Logger):
    """Event files whose curves overlay: the same tag from the sub-runs ``train``, ``val`` and ``test``.

    Args:
        folder: where the event files go; one folder below it for each sub-run.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.folder = Path(folder)
        self._writers: dict[str, SummaryWriter] = {}
        self._purged: int | None = None

    @property
    def name(self) -> str:
        """Name of this logger."""
        return "tensorboard"

    @property
    def version(self) -> str:
        """Lightning asks for one."""
        return ""

    @property
    @rank_zero_experiment
    def experiment(self) -> SummaryWriter:
        """Writer of what belongs to the run as a whole; the Trainer asks for it in every process."""
        return self.writer("")

    def writer(self, part: str) -> SummaryWriter:
        """Writer of one sub-run, opened when first needed."""
        if part not in self._writers:
            # A page that is open drops what it had of these curves.
            self._writers[part] = SummaryWriter(str(self.folder / part), purge_step=self._purged)
        return self._writers[part]

    @rank_zero_only
    def restore(self, rows: list[Row]) -> None:
        """Write the curves of a run that goes on anew: a kill has lost what was not on disk yet."""
        for left in self.folder.rglob("events.out.tfevents.*"):
            left.unlink()
        self._purged = 1
        ended = time.time() - (rows[-1]["seconds"] if rows else 0)
        for row in rows:
            self._write(row, int(row["epoch"]), ended + row["seconds"])

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write an epoch's means; the horizontal axis counts epochs."""
        self._write(metrics, int(metrics.get("epoch", 0)) + 1)

    def _write(self, metrics: Mapping[str, float], epoch: int, time: float | None = None) -> None:
        for key, value in metrics.items():
            part, _, tag = key.rpartition("/")
            if key == "lr":
                part, tag = "train", "learning rate"
            if part:
                writer = self.writer(RUN_NAMES.get(part, part))
                writer.add_scalar(tag, seven_digits(value), epoch, walltime=time)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Hyperparameters are written once, with the result, by :meth:`log_result`."""

    @rank_zero_only
    def log_result(
        self, settings: Mapping[str, bool | int | float | str], metrics: Mapping[str, float]
    ) -> None:
        """Write the hyperparameters beside the final metrics."""
        writer = self.experiment
        summaries = hparams(dict(settings), dict.fromkeys(metrics, 0.0))  # type: ignore[no-untyped-call]
        for summary in summaries:
            writer._get_file_writer().add_summary(summary)
        for tag, value in metrics.items():
            writer.add_scalar(tag, value)

    @rank_zero_only
    def log_text(self, tag: str, markdown: str) -> None:
        """Write a text, in Markdown."""
        self.experiment.add_text(tag, markdown)

    @rank_zero_only
    def log_figure(self, tag: str, png: bytes) -> None:
        """Write a figure, as its file is."""
        write_png(self.experiment, tag, png)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Flush, so that the curves can be seen; the result is still to come."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Close the event files."""
        for writer in self._writers.values():
            writer.close()


def write_png(writer: SummaryWriter, tag: str, png: bytes) -> None:
    """Give TensorBoard a picture's file, which its own writer would encode once more."""
    width, height = Image.open(io.BytesIO(png), formats=["PNG"]).size
    shown = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
    values = [Summary.Value(tag=tag, image=shown)]
    writer._get_file_writer().add_summary(Summary(value=values))  # type: ignore[no-untyped-call]


def finish(
    boards: Sequence[TensorBoard],
    settings: Mapping[str, bool | int | float | str],
    val: Mapping[str, float],
    test: Mapping[str, float],
) -> None:
    """Write settings beside the best epoch's and the final metrics, and close the event files."""
    metrics = {
        f"{part} {name}": value
        for part, found in (("best val", val), ("final test", test))
        for name, value in found.items()
    }
    for board in boards:
        board.log_result(settings, metrics)
        board.close()


def told_settings(
    cfg: DictConfig, told: Sequence[str], common: Collection[str] = ()
) -> dict[str, bool | int | float | str]:
    """Settings that were typed, as plain values for TensorBoard's table, and the seed.

    Of many columns the table shows five at first, in the order of the alphabet. So where things lie and how
    they are kept is left out, and what is the same in all runs of a study, but for its model and data.

    Args:
        cfg: the run's config.
        told: what was typed.
        common: keys that all runs of a study have in common.

    Examples:
        >>> cfg = OmegaConf.create({"model": {"hidden": [10], "l2": 0.5}, "seed": 3})
        >>> told_settings(cfg, ["model=mlp", "model.hidden=[10]", "model.l2=0.5", "data.root=/data"])
        {'model': 'mlp', 'model.hidden': '[10]', 'model.l2': 0.5, 'seed': 3}
        >>> told_settings(cfg, ["model=mlp", "model.hidden=[10]", "model.l2=0.5"], ["model", "model.hidden"])
        {'model': 'mlp', 'model.l2': 0.5, 'seed': 3}
    """
    settings: dict[str, bool | int | float | str] = {}
    for override in told:
        key, _, text = override.lstrip("+").partition("=")
        if key in NOT_FINGERPRINTED or key.startswith(("hydra.", "logger.")):
            continue
        if key in common and key not in ALWAYS_SHOWN:
            continue
        value = text if key.startswith("~") else OmegaConf.select(cfg, key, default=text)
        settings[key] = value if isinstance(value, (bool, int, float)) else text
    return settings | {"seed": int(cfg.seed)}
