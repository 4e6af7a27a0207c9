"""The figures of a study, as fit what was varied."""

import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from cnnlab.figures.dark import dark_twin, save_dark_twin
from cnnlab.figures.landscape import importance_bars, map_planes, parallel_coordinates
from cnnlab.figures.sensitivity import heat_map, said, sensitivity
from cnnlab.figures.style import save
from cnnlab.report.pictures import PARTS, by_epoch, error_curve, quantity_label
from cnnlab.study.comparison import TOP, Comparison
from cnnlab.study.groups import short_keys
from cnnlab.study.landscape import FEWEST_RUNS, drawable, importance, self_organising_map
from cnnlab.study.series import Part, as_grid, by_run, by_values, curves_by_group
from cnnlab.training.folder import FIGURES, TENSORBOARD, file_name

VALIDATION = PARTS["val"]
MOST_LINES = 6
CURVES, LOSS_CURVES, IMPORTANCE, MAP = (
    "learning curves",
    "loss curves",
    "importance",
    "self organising map",
)
COORDINATES = "parallel coordinates"
NAMES = (CURVES, LOSS_CURVES, "sensitivity", "heat map", COORDINATES, IMPORTANCE, MAP)
FEWEST_FILLED = 0.6  # share of a grid's cells that have a run


def draw(comparison: Comparison, folder: Path) -> list[Path]:
    """Save the figures into a study's folder, for light and for dark pages.

    Returns:
        The files of the light ones.
    """
    made = study_figures(comparison, title=folder.name)
    for name in set(NAMES) - set(made):  # of an earlier page
        path = folder / FIGURES / file_name(name)
        path.unlink(missing_ok=True)
        dark_twin(path).unlink(missing_ok=True)
    files = {}
    for name, figure in made.items():
        files[name] = save(figure, folder / FIGURES / file_name(name))
        save_dark_twin(figure, files[name])
    _into_tensorboard(files, comparison, folder / TENSORBOARD)
    return list(files.values())


def _into_tensorboard(files: Mapping[str, Path], comparison: Comparison, folder: Path) -> None:
    """Write the figures as images beside the runs' own, in place of those of an earlier page."""
    shutil.rmtree(folder, ignore_errors=True)
    runs = (run.folder for line in comparison.lines for run in line.group.runs)
    if not files or not any((run / TENSORBOARD).is_dir() for run in runs):
        return

    from torch.utils.tensorboard import SummaryWriter

    from cnnlab.training.loggers import write_png

    with SummaryWriter(str(folder)) as writer:
        for name, path in files.items():
            write_png(writer, name, path.read_bytes())


def study_figures(comparison: Comparison, title: str = "") -> dict[str, Figure]:
    """Learning curves of the best settings, and how the result answers to what was varied.

    One setting gives a line, two a heat map and lines; of more there are parallel coordinates and, from ten
    finished runs on, importances (where anything can be forecast) and, with minisom, a self-organising map.
    """
    if comparison.best is None:
        return {}
    made: dict[str, Figure] = {}
    for quantity in dict.fromkeys((comparison.quantity, "loss")):
        if (curves := _curves(comparison, quantity, title)) is not None:
            made[LOSS_CURVES if made else CURVES] = curves
    drawn = [line for line in comparison.lines if line.validation.values]
    keys = [key for key in comparison.keys if len({line.group.values[key] for line in drawn}) > 1]
    if len(keys) == 1:
        made["sensitivity"] = _one(comparison, keys[0], title)
    elif len(keys) == 2 and (two := _two(comparison, keys, title)):
        made |= two
    elif keys:
        made |= _several(comparison, title)
    return made


def _curves(comparison: Comparison, quantity: str, title: str) -> Figure | None:
    """Means by epoch with a band over seeds or folds, of the first lines of the table."""
    found = curves_by_group(comparison, TOP)
    panels = {
        PARTS[part]: {
            name: error_curve(curves, f"{part}/{quantity}")
            for name, curves in found.items()
            if f"{part}/{quantity}" in curves.means
        }
        for part in PARTS
    }
    panels = {part: curves for part, curves in panels.items() if curves}
    if not panels or max(len(curves.epochs) for curves in found.values()) < 2:
        return None
    return by_epoch(panels, quantity, title)


def _one(comparison: Comparison, key: str, title: str) -> Figure:
    parts: tuple[Part, ...] = ("val", "test")
    lines = {
        PARTS.get(part, part): {
            value: results for (value,), results in by_values(comparison, [key], part).items()
        }
        for part in parts
    }
    return sensitivity(lines, xlabel=key, ylabel=quantity_label(comparison.quantity), title=title)


def _two(comparison: Comparison, keys: Sequence[str], title: str) -> dict[str, Figure]:
    """A heat map, and a line for each value of the setting that has fewer; nothing of scattered points."""
    few, many = sorted(keys, key=lambda key: len({line.group.values[key] for line in comparison.lines}))
    results = by_values(comparison, (few, many), "val")
    rows, columns, mean, sd = as_grid(results)
    if np.isfinite(mean).mean() < FEWEST_FILLED:
        return {}
    label = f"{VALIDATION} {quantity_label(comparison.quantity)}"
    spread = sd if np.isfinite(sd).any() else None
    made = {
        "heat map": heat_map(rows, columns, mean, spread, xlabel=many, ylabel=few, label=label, title=title)
    }
    if len(rows) <= MOST_LINES:
        name = short_keys([few])[few]
        lines = {
            f"{name}={said(row)}": {column: found for (one, column), found in results.items() if one == row}
            for row in rows
        }
        made["sensitivity"] = sensitivity(lines, xlabel=many, ylabel=label, title=title)
    return made


def _several(comparison: Comparison, title: str) -> dict[str, Figure]:
    settings, found = by_run(comparison, "val")
    of_classes = comparison.quantity == "accuracy"
    results, unit = ([100 * value for value in found], " (%)") if of_classes else (found, "")
    short = short_keys(settings)
    named = {short[key]: values for key, values in settings.items()}
    label = f"{VALIDATION} {comparison.quantity.replace('_', ' ')}{unit}"
    better = comparison.higher_is_better
    made = {
        COORDINATES: parallel_coordinates(
            drawable(named), results, label=label, higher_is_better=better, title=title
        )
    }
    if len(results) < FEWEST_RUNS or not np.isfinite(results).all():
        return made
    lost = importance(named, results)
    if lost.explained > 0:
        said_of_drops = f"R² lost when a setting is shuffled (R² before: {lost.explained:.2f})"
        made[IMPORTANCE] = importance_bars(lost.drops, label=said_of_drops, title=title)
    if find_spec("minisom") is not None:
        planes, hits, names = self_organising_map(named, results)
        made[MAP] = map_planes(planes, hits, label=label, names=names, title=title)
    return made
