"""The answer of a study in words, made from its numbers."""

from cnnlab.study.comparison import Comparison, Line
from cnnlab.study.differences import Difference

COUNTED = {"seed": "seeds", "data.fold": "folds", "data.split_seed": "splits"}


def answer(comparison: Comparison) -> str:
    """Say which setting is the best by validation, how good it is, and whether chance could have done it.

    It is one sentence.
    """
    best = comparison.best
    if best is None:
        return "No run came to its end."
    if len(comparison.lines) == 1:
        return f"{_measured(best, comparison)}{_over(best, comparison)}."
    said = f"Best by validation is {best.group.name}: {_measured(best, comparison)}{_over(best, comparison)}"
    return f"{said}{_improved(best, comparison)}; {_against_next(comparison)}."


def _measured(line: Line, comparison: Comparison) -> str:
    quantity = comparison.quantity.replace("_", " ")
    return f"test {quantity} {line.test}, validation {line.validation}"


def _over(line: Line, comparison: Comparison) -> str:
    count = len(line.group.finished)
    if count == 1:
        return " (one run)"
    return f" over {count} {_counted(comparison)}"


def _counted(comparison: Comparison) -> str:
    """What was averaged over, in words."""
    names = [COUNTED[key] for key in comparison.counted]
    return names[0] if len(names) == 1 else "runs"


def _improved(best: Line, comparison: Comparison) -> str:
    if best.group is comparison.first or best.improvement is None:
        return ", which is the first setting" if best.group is comparison.first else ""
    error = "error" if comparison.higher_is_better else comparison.quantity
    return f", and the first setting, {comparison.first.name}, has {best.improvement:.3g} times its {error}"


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
        few = "one run of each is" if found.count == 1 else f"{found.count} runs of each are"
        return f"and {few} too few to tell whether by chance"
    over = f"{found.count} {_counted(comparison)}"
    p = "" if found.p is None else ", p < 0.001" if found.p < 0.001 else f", p = {found.p:.2g}"
    told = f"95% interval {found.low:+.4f} to {found.high:+.4f}, {found.test} over {over}{p}"
    sense = "more than chance" if found.is_clear else "which may be chance"
    return f"{sense} ({told})"
