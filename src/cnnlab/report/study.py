"""The page of a study, from the runs that were compared."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cnnlab.errors import UserError
from cnnlab.extras import extra
from cnnlab.files import write_text
from cnnlab.report import page
from cnnlab.report.comparison import notes, table
from cnnlab.report.embedding import fitting
from cnnlab.report.figure_files import pictures
from cnnlab.report.page import Markup
from cnnlab.report.run import samples_in_words
from cnnlab.report.settings import HEAD, chosen, common, typed
from cnnlab.report.study_pictures import COORDINATES, IMPORTANCE, MAP, draw
from cnnlab.study.answer import answer
from cnnlab.study.comparison import TOP, Comparison
from cnnlab.study.groups import short_keys
from cnnlab.study.landscape import EXTRA, FEWEST_RUNS
from cnnlab.study.runs import StudyRun
from cnnlab.training.folder import REPORT, RunFolder, file_name

MOST_VALUES = 12
UNEXPLAINED = (
    "Which setting matters cannot be said: the result of a run cannot be forecast from those of the others."
)


def write(comparison: Comparison, folder: Path, again: str | None = None) -> Path:
    """Draw a study's figures, and write its page, into its folder.

    Args:
        comparison: of all its runs.
        folder: in which the page will lie.
        again: the line that makes it once more; None is what the folder says was typed.

    Returns:
        The page's file.
    """
    RunFolder(folder).require_plain()
    path = folder / REPORT
    write_text(path, study_page(comparison, folder, draw(comparison, folder), again))
    return path


def study_page(
    comparison: Comparison, folder: Path, figures: Sequence[Path], again: str | None = None
) -> str:
    """The page of a study: what was varied, what came of it, figures, what was common, and the command.

    Args:
        comparison: of all its runs.
        folder: in which the page will lie.
        figures: PNG files to be shown.
        again: see :func:`write`.
    """
    name = folder.resolve().name
    runs = [run for line in comparison.lines for run in line.group.runs]
    title = title_of(list(short_keys(comparison.keys).values()))
    return page.page(
        f"{title} · {name}",
        page.heading(title, name),
        page.section("The question", *_question(comparison, runs)),
        _answer(comparison, runs),
        page.section(
            "Figures",
            page.figures(fitting(pictures(figures, _spread(comparison)))),
            _missing(figures, comparison),
        ),
        page.section("What was set in all runs", page.table(HEAD, _common(comparison, runs)) or _nothing()),
        page.section("Run it again", page.command(again or command(folder)), _each(comparison, folder)),
    )


def _missing(figures: Sequence[Path], comparison: Comparison) -> Markup:
    """Why there is no importance of many settings, and which extra would draw their map."""
    names = {path.name for path in figures}
    finished = sum(len(line.group.finished) for line in comparison.lines)
    if file_name(COORDINATES) not in names or finished < FEWEST_RUNS:
        return Markup("")
    said = []
    if file_name(IMPORTANCE) not in names:
        said.append(page.paragraph(UNEXPLAINED, "notes"))
    if file_name(MAP) not in names:
        try:
            extra("minisom", EXTRA)
        except UserError as error:
            said.append(page.paragraph(f"Without a self-organising map: {error}", "notes"))
    return Markup("".join(said))


def title_of(varied: Sequence[str]) -> str:
    """What a study asks, in few words.

    Examples:
        >>> title_of(["lr"]), title_of(["norm", "lr"]), title_of([])
        ('What lr does', 'What norm and lr do', 'One setting, several runs')
    """
    if not varied:
        return "One setting, several runs"
    *others, last = varied
    return f"What {', '.join(others)} and {last} do" if others else f"What {last} does"


def _question(comparison: Comparison, runs: Sequence[StudyRun]) -> list[Markup]:
    rows = [[key, *_values(comparison, key)] for key in comparison.keys]
    counted = [
        f"{key} {', '.join(dict.fromkeys(run.settings.get(key, '-') for run in runs))}"
        for key in comparison.counted
    ]
    number = f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
    over = f", averaged over {' and '.join(counted)}" if counted else ""
    what = f"{len(comparison.lines)} settings in {number}" if comparison.keys else number
    return [page.paragraph(f"{what}{over}.{_on_what(runs)}"), page.table(["varied", "values"], rows)]


def _on_what(runs: Sequence[StudyRun]) -> str:
    """A sentence on what all runs trained, and on how many samples, as far as they are alike."""
    every = [chosen(run) for run in runs]
    alike = [
        f"{key}={option}"
        for key in ("model", "data")
        if (option := every[0].get(key)) and all(one.get(key) == option for one in every)
    ]
    counts = [run.result.get("samples") or {} for run in runs if run.is_finished]
    samples = samples_in_words(counts[0]) if counts and all(one == counts[0] for one in counts) else ""
    return f" All have {' and '.join(alike)}{samples}." if alike else ""


def _spread(comparison: Comparison) -> str:
    """What bands and bars are."""
    over = " and ".join(short_keys([*comparison.counted, *comparison.pooled]).values())
    return f"A band, a bar or ± is one standard deviation over {over}." if over else ""


def _values(comparison: Comparison, key: str) -> list[str]:
    found = list(dict.fromkeys(line.group.shown[key] for line in comparison.listed))
    with suppress(ValueError):  # names stay as they were listed
        found.sort(key=float)
    more = f", and {len(found) - MOST_VALUES} more" if len(found) > MOST_VALUES else ""
    return [", ".join(found[:MOST_VALUES]) + more]


def _answer(comparison: Comparison, runs: Sequence[StudyRun]) -> Markup:
    head, *rows = table(comparison)
    failed = [
        f"{run.folder.name}: {run.status}, {run.result.get('reason') or 'it has not come to its end'}"
        for run in comparison.failed
    ]
    several = comparison.best is not None and len(rows) > 1
    return page.section(
        "The answer",
        page.paragraph(answer(comparison), "lead"),
        page.table(head, rows[:TOP], best_first=several),
        page.fold(f"The other {len(rows) - TOP}", page.table(head, rows[TOP:])),
        page.emphasised(notes(comparison)),
        page.fold(f"Not finished: {len(failed)} of {len(runs)}", page.points(failed, "warn")),
    )


def _common(comparison: Comparison, runs: Sequence[StudyRun]) -> list[list[str]]:
    varied = {*comparison.keys, *comparison.counted}
    return [list(setting) for setting in common(runs) if setting.key not in varied]


def _nothing() -> Markup:
    return page.paragraph("Nothing: all else is as it is by default.")


def command(folder: Path) -> str:
    """What was typed for the study; to write this page again, where that was not kept."""
    try:
        return typed("-m", *RunFolder(folder).overrides())
    except UserError:
        return typed("report", str(folder))


def _each(comparison: Comparison, folder: Path) -> Markup:
    """Each run: a link to its page where that lies below, else its folder."""
    below, elsewhere = {}, []
    for line in comparison.lines:
        for run in line.group.runs:
            seeds = ", ".join(f"{key}={run.settings.get(key, '-')}" for key in comparison.counted)
            name = ", ".join(part for part in (line.group.name, seeds, run.status) if part)
            if (run.folder / REPORT).is_file() and run.folder.is_relative_to(folder):
                below[f"{run.folder.name} ({name})"] = (run.folder / REPORT).relative_to(folder).as_posix()
            else:
                elsewhere.append(f"{run.folder} ({name})")
    return page.fold("All runs", page.links(below), page.points(elsewhere))
