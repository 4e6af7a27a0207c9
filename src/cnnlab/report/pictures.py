"""Pictures of the rows whose answer is a curve rather than a figure."""

from collections.abc import Mapping
from statistics import fmean, stdev

from matplotlib.figure import Figure

from cnnlab.figures.comparison import Curve, compared
from cnnlab.study.record import Curves, Record
from cnnlab.study.rows import Row

PARTS = {"train": "train", "val": "validation", "watched_test": "test (watched)"}
ITSELF, VARIANTS = "the row itself", "variants, {part}"


def row_figure(row: Row, record: Record) -> Figure | None:
    """Draw a row's curves, the row itself beside its variants, or a grid by its numbers.

    Rows with a published figure have none, but for means over folds, and where the test error is watched.
    """
    title = row.name
    if row.grid:
        return None if row.choose else by_setting(row, record)
    cases = {name or ITSELF: case.curves for name, case in record.cases.items() if case.curves}
    if ITSELF not in cases:
        return None
    watched = any(column.startswith("watched_test/") for column in cases[ITSELF].means)
    if row.published is not None and row.average is None and not watched:
        return None
    quantity = next((q for q in ("accuracy", "loss") if f"val/{q}" in cases[ITSELF].means), "loss")
    own = {
        label: error_curve(cases[ITSELF], f"{part}/{quantity}")
        for part, label in PARTS.items()
        if f"{part}/{quantity}" in cases[ITSELF].means
    }
    panels = {ITSELF: own}
    if len(cases) > 1:
        part = "watched_test" if f"watched_test/{quantity}" in cases[ITSELF].means else "val"
        name = VARIANTS.format(part=PARTS[part])
        column = f"{part}/{quantity}"
        panels[name] = {
            case: error_curve(curves, column) for case, curves in cases.items() if column in curves.means
        }
    return by_epoch(panels, quantity, title)


def by_epoch(panels: Mapping[str, Mapping[str, Curve]], quantity: str, title: str) -> Figure:
    """Draw curves of :func:`error_curve` by epoch, panels side by side."""
    accuracy = quantity == "accuracy"
    return compared(panels, xlabel="epoch", ylabel=quantity_label(quantity), accuracy=accuracy, title=title)


def quantity_label(quantity: str) -> str:
    """What stands at the axis of a quantity; accuracy is drawn as error."""
    return "error (%)" if quantity == "accuracy" else quantity


def error_curve(curves: Curves, column: str) -> Curve:
    """One column as a curve, accuracy as error in %."""
    mean, sd = curves.means[column], curves.sds.get(column, [])
    if column.endswith("accuracy"):
        mean, sd = [100 * (1 - value) for value in mean], [100 * value for value in sd]
    return Curve(curves.epochs, mean, sd)


def by_setting(row: Row, record: Record) -> Figure | None:
    """Draw a grid of one number and one choice: test error by the number, a line for each choice."""
    lines: dict[str, dict[float, list[float]]] = {}
    number = ""
    for case in record.cases.values():
        settings: Mapping[str, str] = dict(override.split("=", 1) for override in case.overrides)
        numbers = {key: float(value) for key, value in settings.items() if value.replace(".", "").isdigit()}
        if len(numbers) != 1 or not case.values:
            continue
        number, x = next(iter(numbers.items()))
        rest = ", ".join(value for key, value in settings.items() if key != number)
        lines.setdefault(rest, {})[x] = [100 * (1 - value) for value in case.values]
    if not lines:
        return None
    curves = {name: _points(points) for name, points in lines.items()}
    xlabel = number.rpartition(".")[2].replace("_", " ")
    return compared({"": curves}, xlabel=xlabel, ylabel="test error (%)", title=row.name)


def _points(points: Mapping[float, list[float]]) -> Curve:
    xs = sorted(points)
    several = all(len(points[x]) > 1 for x in xs)
    return Curve(xs, [fmean(points[x]) for x in xs], [stdev(points[x]) for x in xs] if several else [])
