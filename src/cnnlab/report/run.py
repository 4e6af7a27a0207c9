"""The page of one run, from its folder alone."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cnnlab.errors import UserError
from cnnlab.figures.confusion import confusions_in_words
from cnnlab.files import write_text
from cnnlab.models.objectives import METRICS
from cnnlab.report import page
from cnnlab.report.embedding import fitting
from cnnlab.report.figure_files import light_ones, pictures
from cnnlab.report.page import Markup
from cnnlab.report.settings import HEAD, chosen, differing, typed
from cnnlab.study.runs import StudyRun, read_run
from cnnlab.training.folder import FIGURES, PREDICTIONS, REPORT, RESULT, RunFolder
from cnnlab.training.result import Result, as_result, read_predictions

PARTS = {"train": "to train", "val": "to validate", "test": "to test"}


def write(folder: Path) -> Path:
    """Write a run's page into its folder.

    Returns:
        The file.

    Raises:
        UserError: if this is no run folder, or one of its files cannot be read.
    """
    RunFolder(folder).require_plain()
    path = folder / REPORT
    write_text(path, run_page(folder))
    return path


def run_page(folder: Path) -> str:
    """The page of a run: what was trained on what, what came out, its figures, settings and command.

    Raises:
        UserError: if this is no run folder, or one of its files cannot be read.
    """
    run, name = read_run(folder), folder.resolve().name
    result = as_result(run.result, folder / RESULT)
    options = chosen(run)
    title = f"{options.get('model', 'a network')} on {options.get('data', 'data')}"
    return page.page(
        f"{title} · {name}",
        page.heading(title, name),
        _question(run, result, options),
        _answer(run, result, RunFolder(folder)),
        page.section("Figures", page.figures(fitting(pictures(light_ones(folder / FIGURES))))),
        page.section("What was set", page.table(HEAD, differing(run)) or _nothing()),
        page.section("Run it again", page.command(typed(*run.told)), _made_with(result)),
    )


def _question(run: StudyRun, result: Result, options: Mapping[str, str]) -> Markup:
    experiment = f", as experiment={options['experiment']} says" if "experiment" in options else ""
    said = f"model={options.get('model')} was trained on data={options.get('data')}{experiment}"
    return page.section(
        "The question",
        page.paragraph(f"{said}{samples_in_words(result.samples)}; seed {result.seed}."),
    )


def samples_in_words(samples: Mapping[str, int]) -> str:
    """How many samples each part has, in brackets; nothing where that is not known.

    Examples:
        >>> samples_in_words({"train": 1293, "val": 144, "test": 360})
        ' (samples: 1,293 to train, 144 to validate, 360 to test)'
    """
    counts = [f"{samples[part]:,} {words}" for part, words in PARTS.items() if part in samples]
    return f" (samples: {', '.join(counts)})" if counts else ""


def _answer(run: StudyRun, result: Result, place: RunFolder) -> Markup:
    names = [name for name in METRICS if name in result.test or name in result.val]
    rows = [
        [name.replace("_", " "), *(_number(part, name) for part in (result.val, result.test))]
        for name in names
    ]
    confused = confusions(place)
    remarks = [*result.warnings, *(f"Not promised: {caveat}." for caveat in result.caveats)]
    remarks += [f"Left out: {one}" for one in result.skipped]
    return page.section(
        "The answer",
        page.paragraph(answer(result, place.path), "lead" if result.status == "finished" else "lead warn"),
        page.tiles(facts(result)),
        page.table(["", "validation", "test"], rows),
        page.fold("Most confused", page.points(confused)),
        page.points(remarks, "warn"),
    )


def answer(result: Result, folder: Path) -> str:
    """The outcome in one sentence.

    Examples:
        >>> said = Result("finished", None, {"accuracy": 0.9}, {"accuracy": 0.875}, "val/accuracy", 2, 3)
        >>> answer(said, Path("run"))
        'Test accuracy is 0.8750, with the weights of epoch 2 of 3, the best by validation accuracy (0.9000).'
    """
    if result.status != "finished":
        # result.json names the kind of error first, which is for programs.
        reason = (result.reason or "").removeprefix("TrainingError: ").removeprefix("UserError: ")
        because = f": {reason}" if reason else ""
        on = f" To go on: {typed('resume', str(folder))}." if result.status == "interrupted" else ""
        verb = {"failed": "failed", "pruned": "was given up"}.get(result.status, "was interrupted")
        return f"The run {verb}{because}".rstrip(".") + f".{on}"
    name = _followed(result)
    if name is None:
        return f"The run finished after {result.epochs} epochs."
    words = name.replace("_", " ")
    validation = f"validation {words} ({_number(result.val, name)})" if name in result.val else ""
    if result.best_epoch is None:
        weights = f"the last epoch, {result.epochs}{f'; {validation}' if validation else ''}"
    else:
        weights = f"epoch {result.best_epoch} of {result.epochs}, the best by {validation or 'validation'}"
    return f"Test {words} is {_number(result.test, name)}, with the weights of {weights}."


def _followed(result: Result) -> str | None:
    """The metric that stands for the others."""
    name = (result.followed or "").rpartition("/")[2]
    return name if name in result.test else next((one for one in METRICS if one in result.test), None)


def facts(result: Result) -> dict[str, str]:
    """What is shown in large letters."""
    name, found = _followed(result), {}
    if name is not None:
        words = name.replace("_", " ")
        found = {f"test {words}": _number(result.test, name)}
        if name in result.val:
            found[f"validation {words}"] = _number(result.val, name)
    found["epochs"] = f"{result.epochs:,}"
    found["time"] = duration(result.seconds)
    if result.parameters:
        found["parameters"] = f"{result.parameters:,}"
    if result.samples_per_second:
        found["samples/s"] = f"{result.samples_per_second:,.0f}"
    return found


def _number(values: Mapping[str, float], name: str) -> str:
    return f"{values[name]:.4f}" if name in values else "-"


def duration(seconds: float) -> str:
    """Seconds as they are read.

    Examples:
        >>> duration(1.52), duration(200), duration(7500)
        ('1.5 s', '3 min 20 s', '2 h 5 min')
    """
    if not 60 <= seconds < math.inf:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def confusions(place: RunFolder) -> list[str]:
    """The commonest mistakes in words; none where there are no classes, or no predictions."""
    try:
        spec = place.input_format().spec
        targets, outputs = read_predictions(place.path / PREDICTIONS)
    except UserError:
        return []
    number = spec.outputs
    fits = spec.target == "classes" and targets.ndim == 1 and outputs.shape[1:] == (number,) and len(targets)
    if not fits or targets.dtype.kind not in "iu" or targets.min() < 0 or targets.max() >= number:
        return []
    counts = np.bincount(targets * number + outputs.argmax(1), minlength=number**2).reshape(number, number)
    return confusions_in_words(counts, spec.class_names)


def _nothing() -> Markup:
    return page.paragraph("Nothing: all is as it is by default.")


def _made_with(result: Result) -> Markup:
    git = result.git or {}
    rows = [[name, version] for name, version in result.versions.items()]
    rows += (
        [["git commit", f"{git['commit']}{', changed' if git.get('dirty') else ''}"]]
        if "commit" in git
        else []
    )
    for name in ("device", "precision", "config_fingerprint", "data_fingerprint", "weights_fingerprint"):
        if value := getattr(result, name):
            rows.append([name.replace("_", " "), str(value)])
    return page.fold("Made with", page.table(["", ""], rows))
