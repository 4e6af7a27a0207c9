"""What is shown at the end of a run: a small table and the folder."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cnnlab.training.result import Result


def show(result: Result, folder: Path) -> None:
    """Print validation and test of the best epoch, the time, and where everything lies."""
    metrics = [name for name in result.test if name in ("loss", "accuracy", "top_5_accuracy", "f1_macro")]
    if sys.stdout.isatty():
        table = Table(
            title="best epoch" if result.best_epoch is None else f"epoch {result.best_epoch} (best)"
        )
        table.add_column("")
        for name in metrics:
            table.add_column(name.replace("_", " "), justify="right")
        for part, found in (("validation", result.val), ("test", result.test)):
            table.add_row(part, *(f"{found[name]:.4f}" if name in found else "" for name in metrics))
        Console().print(table)
    else:
        tested = ", ".join(f"test {name.replace('_', ' ')} {result.test[name]:.4f}" for name in metrics)
        print(f"best epoch {result.best_epoch}: {tested}")
    speed = f", {result.samples_per_second:,.0f} samples/s" if result.samples_per_second else ""
    print(f"{result.epochs} epochs in {result.seconds:.1f} s on {result.device}, {result.precision}{speed}")
    print(f"folder: {folder}", flush=True)
