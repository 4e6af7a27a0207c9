"""The table of a study: as Markdown, as CSV of all its runs, and for a terminal."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from cnnlab.errors import visible
from cnnlab.files import write_text
from cnnlab.study.answer import answer
from cnnlab.study.comparison import TOP, Comparison, Line
from cnnlab.study.differences import Difference
from cnnlab.study.groups import short_keys
from cnnlab.study.runs import StudyRun

TABLE, RUNS = "study.md", "study.csv"
SPREAD = "Values are mean ± SD over {counted}."
SINGLE = "Values are of one run each."
COMPARED = """Sorted by validation; the test set chose nothing. {values}
*Improvement* is the test error of the first setting ({first}) divided by that of the line: above 1 is better.
*To the best* is the test {quantity} less that of the first line, with the 95% interval of {test}."""


def write(comparison: Comparison, runs: Sequence[StudyRun], folder: Path) -> None:
    """Write ``study.md`` and ``study.csv`` into a study's folder."""
    write_text(folder / TABLE, markdown(comparison, folder.name))
    write_text(folder / RUNS, as_csv(runs, comparison, folder))


def markdown(comparison: Comparison, title: str) -> str:
    """The whole page: the answer, the five best settings, the others, and what failed."""
    head, *body = table(comparison)
    parts = [f"# {_escaped(title)}", _escaped(answer(comparison)), _markdown_table(head, body[:TOP])]
    if body[TOP:]:
        parts += ["## The others", _markdown_table(head, body[TOP:])]
    parts.append(_escaped(notes(comparison)))
    if comparison.failed:
        lines = (
            f"- `{run.folder.name}`: {run.status}, {_escaped(str(run.result.get('reason')))}"
            for run in comparison.failed
        )
        parts += ["## Not finished", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def screen(comparison: Comparison) -> str:
    """The five best settings in plain text, and the answer."""
    rows = [list(map(visible, row)) for row in table(comparison)]
    widths = [max(len(line[i]) for line in rows[: TOP + 1]) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows[: TOP + 1]
    ]
    if rows[TOP + 1 :]:
        lines.append(f"and {len(rows) - TOP - 1} more")
    return "\n".join([*lines, *map(visible, answer(comparison).split("\n"))])


def table(comparison: Comparison) -> list[list[str]]:
    """Cells of the table, its heading first."""
    quantity = comparison.quantity.replace("_", " ")
    keys = list(short_keys(comparison.keys).values()) or ["setting"]
    several = len(comparison.lines) > 1
    head = [*keys, f"validation {quantity}", f"test {quantity}"]
    head += ["improvement", "to the best"] if several else []
    lines = (_cells(line, compared=several) for line in comparison.lines)
    return [[*head, "runs", "seconds", "parameters"], *lines]


def _cells(line: Line, *, compared: bool) -> list[str]:
    done, every = len(line.group.finished), len(line.group.runs)
    improvement = "-" if line.improvement is None else f"{line.improvement:.3f}"
    return [
        *(line.group.shown.values() or ["all runs"]),
        str(line.validation),
        str(line.test),
        *([improvement, _interval(line.to_best)] if compared else []),
        str(done) if done == every else f"{done} of {every}",
        f"{line.seconds.mean:.1f}" if done else "-",
        f"{line.parameters:,}" if done else "-",
    ]


def _interval(found: Difference | None) -> str:
    if found is None:
        return ""
    if found.low is None:
        return f"{found.mean:+.4f} (too few to tell)"
    return f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def notes(comparison: Comparison) -> str:
    """How the table is to be read."""
    tests = dict.fromkeys(
        str(line.to_best.test) for line in comparison.lines if line.to_best and line.to_best.test
    )
    over = " and ".join([*comparison.counted, *comparison.pooled])
    values = SPREAD.format(counted=over) if over else SINGLE
    if len(comparison.lines) == 1:
        return f"The test set chose nothing. {values}"
    return COMPARED.format(
        values=values,
        first=comparison.first.name,
        quantity=comparison.quantity.replace("_", " "),
        test="a " + " or ".join(tests)
        if tests
        else "a paired test, where three runs or more of each allow it",
    )


def as_csv(runs: Sequence[StudyRun], comparison: Comparison, folder: Path) -> str:
    """All runs, a row each: what was varied, what was counted, how it ended, and all that was measured."""
    values = {run.folder: line.group.values for line in comparison.lines for run in line.group.runs}
    measured = [
        f"{part}/{name}"
        for part in ("val", "test")
        for name in dict.fromkeys(name for run in runs for name in run.result.get(part) or {})
    ]
    head = [
        "run",
        *comparison.keys,
        *comparison.counted,
        "status",
        "reason",
        *measured,
        "best_epoch",
        "epochs",
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*head, "seconds", "parameters", "config_fingerprint"])
    for run in runs:
        writer.writerow(
            [
                _below(run.folder, folder),
                *values[run.folder].values(),
                *(run.settings.get(key, "") for key in comparison.counted),
                run.status,
                run.result.get("reason"),
                *(_number(run.measure(*name.split("/"))) for name in measured),
                *(run.result.get(key) for key in ("best_epoch", "epochs", "seconds", "parameters")),
                run.result.get("config_fingerprint"),
            ]
        )
    return text.getvalue()


def _below(run: Path, folder: Path) -> str:
    return str(run.relative_to(folder)) if run.is_relative_to(folder) else str(run)


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(map(_escaped, row)) + " |" for row in rows)


def _escaped(text: str) -> str:
    r"""Text that neither ends a cell nor is taken for HTML.

    Examples:
        >>> _escaped("a|b <i>")
        'a\\|b &lt;i>'
    """
    return text.replace("|", "\\|").replace("<", "&lt;")
