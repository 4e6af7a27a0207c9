"""All runs of a folder as one table of pandas."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.errors import UserError
from cnnlab.extras import extra
from cnnlab.study.runs import StudyRun, find_runs

if TYPE_CHECKING:
    import pandas

RESULTS = ("best_epoch", "epochs", "seconds", "samples_per_second", "parameters", "device", "precision")
PARTS = ("val", "test")
Cell = str | float | int | bool | None


def runs_table(folder: Path) -> "pandas.DataFrame":
    """Gather all runs below a folder, see :func:`cnnlab.runs`.

    Raises:
        UserError: if there is no run, one cannot be read, or pandas is not installed.
    """
    tables = extra("pandas", "pandas")
    found = find_runs(folder)
    if not found:
        raise UserError(f"{folder}: there is no run in it.")
    keys = varied(found)
    table: pandas.DataFrame = tables.DataFrame(
        [_cells(run, keys) for run in found],
        index=tables.Index([str(run.folder) for run in found], name="folder"),
    )
    return table


def varied(runs: Sequence[StudyRun]) -> list[str]:
    """Keys of the settings in which the runs differ, in the order of the configs.

    Examples:
        >>> first, second = {"seed": "0", "x": "1"}, {"seed": "1", "x": "1"}
        >>> varied([StudyRun(Path("a"), first), StudyRun(Path("b"), second)])
        ['seed']
    """
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    return [key for key in keys if len({run.settings.get(key) for run in runs}) > 1]


def _cells(run: StudyRun, keys: Sequence[str]) -> dict[str, Cell]:
    metrics: dict[str, Cell] = {
        f"{part}/{name}": value for part in PARTS for name, value in (run.result.get(part) or {}).items()
    }
    settings = {key: as_number(run.settings[key]) if key in run.settings else None for key in keys}
    results = {name: run.result.get(name) for name in RESULTS}
    return {"status": run.status} | settings | metrics | results


def as_number(text: str) -> Cell:
    """Turn a setting into the number or truth value that it is, if it is one.

    Examples:
        >>> as_number("0.1"), as_number("16"), as_number("true"), as_number("[16,8]")
        (0.1, 16, True, '[16,8]')
    """
    if text in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
