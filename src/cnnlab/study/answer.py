"""The answer of a study in words, made from its numbers."""

import math

from cnnlab.study.comparison import Comparison, Line
from cnnlab.study.differences import Difference
from cnnlab.study.groups import Group, short_keys

OTHER_DATA = "their data are not the same, so this says little of the rest"
DATA_SET = ("data._target_", "data.path", "data.classes")  # settings that say which samples these are
COUNTED = {"seed": "seeds", "data.fold": "folds", "data.split_seed": "splits"}


def answer(comparison: Comparison) -> str:
    """Say which setting is the best by validation, how good it is, and whether chance could have done it.

    It is one sentence.
    """
    best = comparison.best
    if best is None:
        return "No run came to its end."
    if len(comparison.lines) == 1:
        return _alone(best, comparison)
    said = f"Best by validation is {best.group.name}: {_measured(best, comparison)}{_over(best)}"
    said += f"{_improved(best, comparison)}; {_against_next(comparison)}"
    return f"{said}{'; ' + OTHER_DATA if _on_other_data(comparison) else ''}."


def _on_other_data(comparison: Comparison) -> bool:
    """Whether the runs that have a figure were tested on data sets of their own."""
    finished = [run for line in comparison.lines for run in line.group.finished]
    return len({tuple(run.settings.get(key) for key in DATA_SET) for run in finished}) > 1


def _alone(line: Line, comparison: Comparison) -> str:
    """What a study of one setting has found."""
    quantity = comparison.quantity.replace("_", " ")
    said = f"Test {quantity} is {line.test}, validation {quantity} {line.validation}"
    return f"{said}{_over(line)}." if line.test.sd is None else f"{said} (mean ± SD{_over(line)})."


def _measured(line: Line, comparison: Comparison) -> str:
    quantity = comparison.quantity.replace("_", " ")
    return f"test {quantity} {line.test}, validation {line.validation}"


def _over(line: Line) -> str:
    return " (one run)" if len(line.group.finished) == 1 else f" over {counted_runs(line.group)}"


def counted_runs(group: Group) -> str:
    """What the figures of a setting are means of.

    Examples:
        >>> from pathlib import Path
        >>> from cnnlab.study.runs import StudyRun
        >>> runs = (StudyRun(Path(), {}, (), {"status": "finished"}),) * 4
        >>> pairs = (("1", "0"), ("2", "0"), ("1", "0.1"), ("2", "0.1"))
        >>> counted_runs(Group({}, runs, pairs, ("seed", "model.l2")))
        '4 runs (2 seeds x 2 of l2)'
        >>> counted_runs(Group({}, runs[:2], (("1",), ("2",)), ("seed",)))
        '2 seeds'
    """
    count = len(group.finished)
    numbers = {key: number for key, number in group.numbers().items() if number > 1}
    short = short_keys(numbers)
    said = [f"{n} {COUNTED[key]}" if key in COUNTED else f"{n} of {short[key]}" for key, n in numbers.items()]
    if math.prod(numbers.values()) != count or not said:
        return f"{count} runs"  # not of all combinations
    return (
        said[0] if len(said) == 1 and next(iter(numbers)) in COUNTED else f"{count} runs ({' x '.join(said)})"
    )


def _tested(comparison: Comparison, found: Difference) -> str:
    """What a test was made over, in words."""
    if found.test == "bootstrap" or not (comparison.counted or comparison.pooled):
        return "runs"
    names = [COUNTED[key] for key in comparison.counted]
    if len(names) == 1:
        return names[0]
    return "pairs of runs"


def _improved(best: Line, comparison: Comparison) -> str:
    if best.group is comparison.first or best.improvement is None:
        return ", which is the first setting" if best.group is comparison.first else ""
    error = "error" if comparison.higher_is_better else comparison.quantity
    times = f"{best.improvement:.3g}"
    said = f"as much {error} as it" if times == "1" else f"{times} times its {error}"
    return f", and the first setting, {comparison.first.name}, has {said}"


def _against_next(comparison: Comparison) -> str:
    """How the second setting stands to the best."""
    second = comparison.lines[1]
    found = second.to_best
    if found is None:
        return "no other setting has a finished run"
    quantity = f"test {comparison.quantity.replace('_', ' ')}"
    intro = f"the second, {second.group.name}, has a {quantity} "
    intro += f"{abs(found.mean):.4f} {'higher' if found.mean > 0 else 'lower'}" if found.mean else "as high"
    return f"{intro}, {verdict(found, comparison)}"


def verdict(found: Difference, comparison: Comparison) -> str:
    """Say what a difference is worth.

    Examples:
        >>> comparison = Comparison((), None, "accuracy", (), ("seed",))
        >>> verdict(Difference(0.01, count=1), comparison)
        'and one run of each is too few to tell whether by chance'
    """
    if found.test is None:
        of_each = "runs" if not comparison.pooled else _tested(comparison, found)
        few = "one run of each is" if found.count == 1 else f"{found.count} {of_each} of each are"
        return f"and {few} too few to tell whether by chance"
    over = f"{found.count} {_tested(comparison, found)}"
    p = "" if found.p is None else ", p < 0.001" if found.p < 0.001 else f", p = {found.p:.2g}"
    told = f"95% interval {found.low:+.4f} to {found.high:+.4f}, {found.test} over {over}{p}"
    sense = "more than chance" if found.is_clear else "which may be chance"
    return f"{sense} ({told})"
