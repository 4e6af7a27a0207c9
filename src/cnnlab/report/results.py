"""The page that sets our figures beside the published ones."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnnlab.study.record import CaseRecord, Record, verdict
from cnnlab.study.rows import Row

INTRODUCTION = """# Results

Each row is an experiment of the course documents that cnnlab takes over. This page is written by

    python -m cnnlab reproduce

which runs every row that has no record yet, cheap ones first, and leaves one JSON file for each; rows by
name (`python -m cnnlab reproduce pima xor`) run only those. *Ours* is the mean of independent runs with their
standard deviation and number. *Met* is a mean at or above the published figure less twice that deviation, but
at most 0.01 less, over three runs or more of the whole training; *partial* is a training of fewer epochs than
the experiment says, *too short* one of fewer than a quarter of them. Nothing here was chosen by the test set:
tested are the weights of the best epoch by validation, or of the last epoch where the experiment says
`callbacks: last`. CIFAR-10 is here a copy whose pixels went through JPEG. Recipes of our own, such as
[`best/mnist`](#best-mnist), have a goal in place of a published figure; *reached* is a mean at the goal or
beyond it. Where folds are averaged, such a recipe takes for each fold the setting that had the least
validation loss in it. Minutes are of all runs together, on one core of a machine on which other work ran and
stopped them at times. The main job and the first recipes have
[a page of their own](main_job.md).
"""
NAMES = {
    "test/accuracy": "test accuracy",
    "test/rmse": "test RMSE",
    "val/accuracy@4": "validation accuracy within 4 epochs",
}


def figure_of(case: CaseRecord | None) -> str:
    """Mean, standard deviation and number of a case's runs.

    Examples:
        >>> figure_of(CaseRecord([], values=[0.98, 0.982, 0.981]))
        '0.9810 ± 0.0010 (3)'
    """
    if case is None or not case.values:
        return ""
    deviation = f" ± {case.sd:.4f}" if len(case.values) > 1 else ""
    return f"{case.mean:.4f}{deviation} ({len(case.values)})"


def command(row: Row) -> str:
    """What is typed to run a row."""
    single = not (row.grid or row.average or row.variants or row.nested)
    return f"python -m cnnlab {'experiment=' if single else 'reproduce '}{row.name}"


def published(row: Row) -> str:
    """The published figure and its deviation, or the goal."""
    if row.goal is not None:
        return f"goal {row.goal:.4f}"
    if row.published is None:
        return ""
    return f"{row.published:.4f}" + (f" ± {row.published_sd:.4f}" if row.published_sd else "")


def _state(row: Row, record: Record | None) -> str:
    if row.instead and record is None:
        return "not run"
    return "not run yet" if record is None or not record.cases else verdict(row, record)


def _minutes(record: Record | None) -> str:
    return "" if record is None else f"{sum(sum(case.minutes) for case in record.cases.values()):.1f}"


def _cells(row: Row, records: Mapping[str, Record]) -> list[str]:
    record = records.get(row.name)
    ours = figure_of(record.main(row)) if record is not None else ""
    return [row.name, published(row), ours, _state(row, record), _minutes(record)]


def summary(rows: Sequence[Row], records: Mapping[str, Record]) -> str:
    """Table of some rows for a terminal, in plain text.

    Examples:
        >>> print(summary([Row(name="pima", published=0.772)], {}))
        row   published  ours  verdict      minutes
        pima  0.7720           not run yet
    """
    table = [["row", "published", "ours", "verdict", "minutes"], *(_cells(row, records) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in table]
    return "\n".join(line.rstrip() for line in lines)


def page(rows: Sequence[Row], records: Mapping[str, Record], *, pictures: Path) -> str:
    """The whole page in Markdown: one table, then what is behind each row.

    Args:
        rows: all of them, in the order of the page.
        records: by the rows' names.
        pictures: folder of the rows' pictures, which lies beside the page.
    """
    lines = [INTRODUCTION, "| row | published | ours | verdict | minutes |", "|---|---:|---:|---|---:|"]
    for row in rows:
        name, *rest = _cells(row, records)
        lines.append(f"| [`{name}`](#{_anchor(name)}) | {' | '.join(rest)} |")
    for row in rows:
        lines += [
            "",
            f"({_anchor(row.name)})=",
            f"## {row.name}",
            "",
            *_section(row, records.get(row.name), pictures),
        ]
    return "\n".join(lines) + "\n"


def _anchor(name: str) -> str:
    return name.replace("/", "-")


def _section(row: Row, record: Record | None, pictures: Path) -> list[str]:
    if row.instead and record is None:
        lines = [f"Not run: {row.instead}.", ""]
    else:
        lines = [f"    {command(row)}", ""]
    if record is not None:
        lines += [*_facts(row, record), "", *_cases(row, record)]
    if row.note:
        lines += [row.note.strip(), ""]
    picture = pictures / f"{row.name}.png"
    if picture.exists():
        lines += [f"![{row.name}: error by epoch]({pictures.name}/{row.name}.png)", ""]
    return lines


def _facts(row: Row, record: Record) -> list[str]:
    case = record.main(row)
    name = NAMES.get(row.metric, row.metric)
    if case is None:  # all points of a grid stand side by side
        return [f"{name[0].upper()}{name[1:]} of {len(record.cases)} settings; {record.device}."]
    facts = [f"{name}: ours {figure_of(case)}"]
    if aim := published(row):
        facts[0] += f", {aim}" if row.goal is not None else f", published {aim}"
    if case.values:
        epochs = sorted({round(epoch) for epoch in case.epochs})
        trained = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
        size = "" if case.chosen else f"{case.parameters:,} parameters, "
        facts.append(f"{size}{trained} epochs, {record.device}")
        facts.append("test loss " + _mean(case.losses))
        if case.chosen:
            times = sorted(case.chosen.items(), key=lambda one: -one[1])
            facts.append("chosen by validation: " + "; ".join(f"{name} ({n} times)" for name, n in times))
    return ["; ".join(facts) + "."]


def _mean(values: Sequence[float]) -> str:
    case = CaseRecord([], values=list(values))
    return f"{case.mean:.4f}" + (f" ± {case.sd:.4f}" if len(values) > 1 else "")


def _cases(row: Row, record: Record) -> list[str]:
    """Table of the variants, or of the best points of a grid."""
    shown = {name: case for name, case in record.cases.items() if name or case.failure}
    if not shown:
        return []
    if row.choose is not None:
        ranked = sorted(
            shown, key=lambda name: -sum(shown[name].chosen_by) / max(1, len(shown[name].chosen_by))
        )
        shown = {name: shown[name] for name in ranked[:5]}
    lines = [
        f"| {'setting' if row.grid else 'variant'} | {NAMES.get(row.metric, row.metric)} | epochs |",
        "|---|---:|---:|",
    ]
    for name, case in shown.items():
        said = figure_of(case) or case.failure
        epochs = f"{max(case.epochs):.0f}" if case.epochs else ""
        lines.append(f"| {name or 'the row itself'} | {said} | {epochs} |")
    return [*lines, ""]


def with_head(text: str, row: Row, record: Record) -> str:
    r"""Put our figure into the line of an experiment's head that begins with ``# Ours``.

    Examples:
        >>> record = Record("r", "test/accuracy", {"": CaseRecord([], values=[0.5])})
        >>> with_head("# Ours: not run yet\nseed: 0\n", Row(name="r"), record)
        '# Ours: test accuracy 0.5000 (1)\nseed: 0\n'
    """
    case, name = record.main(row), NAMES.get(row.metric, row.metric)
    ours = f"{name} {figure_of(case)}" if case and case.values else ""
    if row.grid and case is None:  # none of its points is chosen
        whole = [each for each in record.cases.values() if each.values and not each.failure]
        ours = f"{name} of {len(whole)} settings in docs/results.md"
        case = next(iter(whole), None)
    if case is None or not case.values or case.too_short or case.failure:
        return text
    epochs = f", {max(case.epochs):.0f} epochs alone" if case.partial else ""
    return re.sub(r"^# Ours: .*$", f"# Ours: {ours}{epochs}", text, count=1, flags=re.MULTILINE)
