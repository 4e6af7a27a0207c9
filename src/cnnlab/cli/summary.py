"""What is shown at the end of a run: a small table and the folder."""

import sys
from pathlib import Path

from lightning_utilities.core.rank_zero import rank_zero_only
from rich.console import Console
from rich.table import Table

from cnnlab.models.objectives import METRICS
from cnnlab.training.result import Result


@rank_zero_only
def show(result: Result, folder: Path) -> None:
    """Print validation and test of the best epoch, the time, and where everything lies."""
    metrics = [name for name in METRICS if name in result.test]
    epoch = "last epoch" if result.best_epoch is None else f"best epoch {result.best_epoch}"
    if sys.stdout.isatty():
        table = Table(title=epoch)
        table.add_column("")
        for name in metrics:
            table.add_column(name.replace("_", " "), justify="right")
        for part, found in (("validation", result.val), ("test", result.test)):
            table.add_row(part, *(f"{found[name]:.4f}" if name in found else "" for name in metrics))
        Console().print(table)
    else:
        tested = ", ".join(f"test {name.replace('_', ' ')} {result.test[name]:.4f}" for name in metrics)
        print(f"{epoch}: {tested}")
    speed = f", {result.samples_per_second:,.0f} samples/s" if result.samples_per_second else ""
    epochs = f"{result.epochs} epoch{'' if result.epochs == 1 else 's'}"
    print(f"{epochs} in {result.seconds:.1f} s on {result.device}, {result.precision}{speed}")
    if result.steps_left_out:
        print(f"left out: {result.steps_left_out:,} steps without a finite loss and gradients")
    if result.caveats:
        print(f"not promised: {'; '.join(result.caveats)}")
    print(f"folder: {folder}", flush=True)
