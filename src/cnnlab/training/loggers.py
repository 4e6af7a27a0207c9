"""Where the numbers of an epoch go: metrics.csv and a line on the screen, and TensorBoard."""

import csv
import io
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import rank_zero_experiment
from lightning_utilities.core.rank_zero import rank_zero_only
from matplotlib.figure import Figure
from pytorch_lightning.loggers import Logger
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from cnnlab.figures.style import pixels
from cnnlab.files import write_text

Row = dict[str, float]
RUN_NAMES = {"watched_test": "test"}


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
        self._columns: list[str] = []
        self._open: Row = {}
        self._started = time.monotonic()

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
        # Seven digits are all that the float32 of Lightning's log holds.
        self._open |= {key: float(f"{value:.7g}") for key, value in metrics.items() if key != "epoch"}
        if "train/loss" not in metrics:
            return
        row = {
            "epoch": int(metrics["epoch"]) + 1,
            "step": int(step or 0) + 1,
            "seconds": round(time.monotonic() - self._started, 3),
        } | self._open
        self._open = {}
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
        return {key: [row.get(key, float("nan")) for row in self.rows] for key in columns(self.rows)}


def columns(rows: list[Row]) -> list[str]:
    """Names of all metrics, in the order in which they came up."""
    return list(dict.fromkeys(key for row in rows for key in row))


def as_csv(rows: list[Row], names: list[str] | None = None) -> str:
    r"""Rows as the text of a CSV file with a header, of these columns or of all that came up.

    Examples:
        >>> as_csv([{"epoch": 1, "val/loss": 0.5}, {"epoch": 2, "val/loss": 0.25}])
        'epoch,val/loss\n1,0.5\n2,0.25\n'
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, names or columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


class TensorBoard(Logger):
    """Event files whose curves overlay: the same tag from the sub-runs ``train``, ``val`` and ``test``.

    Args:
        folder: where the event files go; one folder below it for each sub-run.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.folder = Path(folder)
        self._writers: dict[str, SummaryWriter] = {}

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
            self._writers[part] = SummaryWriter(str(self.folder / part))
        return self._writers[part]

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write an epoch's means; the horizontal axis counts epochs."""
        epoch = int(metrics.get("epoch", 0)) + 1
        for key, value in metrics.items():
            part, _, tag = key.rpartition("/")
            if key == "lr":
                part, tag = "train", "learning rate"
            if part:
                self.writer(RUN_NAMES.get(part, part)).add_scalar(tag, value, epoch)

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
    def log_figure(self, tag: str, figure: Figure) -> None:
        """Write a matplotlib figure."""
        self.experiment.add_image(tag, pixels(figure), dataformats="HWC")

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Flush, so that the curves can be seen; the result is still to come."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Close the event files."""
        for writer in self._writers.values():
            writer.close()
