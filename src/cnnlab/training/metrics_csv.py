"""The rows of ``metrics.csv``: one for each epoch."""

import csv
import io
from pathlib import Path

Row = dict[str, float]


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


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a ``metrics.csv``; a metric that is missing in an epoch is missing in its row.

    Raises:
        OSError: if there is no such file.
        ValueError: if something in it is no number, or it is no plain file.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it is not a plain file")
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: _number(value) for name, value in row.items() if value} for row in csv.DictReader(file)
        ]


def seven_digits(value: float) -> float:
    """Round to what a float32 holds, so that a curve and ``metrics.csv`` say the same.

    Examples:
        >>> seven_digits(1 / 3)
        0.3333333
    """
    return float(f"{value:.7g}")


def _number(text: str | list[str]) -> float:
    if not isinstance(text, str):
        raise ValueError("a line has more fields than the header")
    return int(text) if text.isdecimal() else float(text)


def as_columns(rows: list[Row]) -> dict[str, list[float]]:
    """Rows as columns; a metric missing in an epoch is NaN there.

    Examples:
        >>> as_columns([{"epoch": 1, "val/loss": 0.5}, {"epoch": 2}])
        {'epoch': [1, 2], 'val/loss': [0.5, nan]}
    """
    return {key: [row.get(key, float("nan")) for row in rows] for key in columns(rows)}
