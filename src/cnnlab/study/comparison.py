"""What the runs of a study come to: a line for each setting, the best by validation first."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cnnlab.study.differences import Difference, difference
from cnnlab.study.groups import Group, grouped
from cnnlab.study.runs import COUNTING, StudyRun

HIGHER_IS_BETTER = ("accuracy",)  # of what trainings are followed by
TOP = 5


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation of some runs.

    Args:
        values: one for each run; NaN where it was not finite.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean; NaN of nothing."""
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def sd(self) -> float | None:
        """Standard deviation of the sample; None of fewer than two."""
        finite = all(map(math.isfinite, self.values))
        return statistics.stdev(self.values) if len(self.values) > 1 and finite else None

    def __str__(self) -> str:
        r"""Mean ± SD, to four decimals.

        Examples:
            >>> str(Summary((0.5, 0.75))), str(Summary((0.5,))), str(Summary(()))
            ('0.6250 ± 0.1768', '0.5000', '-')
        """
        if not self.values:
            return "-"
        return f"{self.mean:.4f}" + ("" if self.sd is None else f" ± {self.sd:.4f}")


@dataclass(frozen=True)
class Line:
    """One setting of a study.

    Args:
        group: its runs.
        validation: what was followed in training, of the weights that were tested.
        test: the same metric of the test set.
        seconds: of a run.
        parameters: of the network, of the first run.
        improvement: test error of the study's first setting divided by this one's: above 1 is better. The
            error is one less accuracy, or the loss itself.
        to_best: test metric less that of the best setting by validation; None for that itself.
        number: its place among the settings as they were listed.
    """

    group: Group
    validation: Summary
    test: Summary
    seconds: Summary
    parameters: int
    improvement: float | None
    to_best: Difference | None
    number: int = 0


@dataclass(frozen=True)
class Comparison:
    """All settings of a study.

    Args:
        lines: the best by validation first; those without a finished run last.
        first: the setting that was listed first, which the improvements are over.
        quantity: ``accuracy`` or ``loss``, as validation and test are measured.
        keys: what was varied.
        counted: what was averaged over: ``seed``, ``data.fold``, ``data.split_seed``.
        pooled: further settings that differ within a line, where the lines were asked for.
    """

    lines: tuple[Line, ...]
    first: Group
    quantity: str
    keys: tuple[str, ...]
    counted: tuple[str, ...]
    pooled: tuple[str, ...] = ()

    @property
    def listed(self) -> list[Line]:
        """The settings in the order in which they were listed."""
        return sorted(self.lines, key=lambda line: line.number)

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the metric is better."""
        return self.quantity in HIGHER_IS_BETTER

    @property
    def best(self) -> Line | None:
        """The best setting by validation; None where no run has finished."""
        return self.lines[0] if self.lines and self.lines[0].group.finished else None

    @property
    def failed(self) -> list[StudyRun]:
        """Runs that did not come to their end."""
        return [run for line in self.lines for run in line.group.runs if not run.is_finished]


def compare(runs: Sequence[StudyRun], by: Sequence[str] = ()) -> Comparison:
    """Group runs by what differs, average over seeds and folds, and sort by validation.

    Args:
        runs: at least one.
        by: settings to group by, in place of all that differ.

    Raises:
        UserError: for a setting that no run has.
    """
    groups = grouped(runs, by)
    quantity = followed(runs)
    higher = quantity in HIGHER_IS_BETTER
    lines = [_line(group, quantity, number) for number, group in enumerate(groups)]
    lines.sort(key=lambda line: _place(line.validation, higher))
    first = groups[0]
    reference = next(line for line in lines if line.group is first)
    best = lines[0] if lines[0].test.values else None
    keys, paired_by = tuple(groups[0].values), groups[0].paired_by
    counted = tuple(
        key for key in COUNTING if key not in keys and len({run.settings.get(key) for run in runs}) > 1
    )
    share = _test_share(runs) if set(counted) - {"seed"} else None
    return Comparison(
        tuple(_against(line, reference, best, quantity, counted, share) for line in lines),
        first,
        quantity,
        keys,
        counted,
        pooled=tuple(key for key in paired_by if key not in COUNTING),
    )


def followed(runs: Sequence[StudyRun]) -> str:
    """The metric that all finished runs were followed by; ``loss`` where they differ."""
    names = {str(run.result.get("followed") or "val/loss") for run in runs if run.is_finished}
    common = names.pop() if len(names) == 1 else "val/loss"
    return common.rpartition("/")[2]


def measures(group: Group, part: str, quantity: str) -> dict[object, float]:
    """A metric of each finished run, by what pairs it with runs of other groups."""
    found: dict[object, float] = {}
    for run, pair in zip(group.runs, group.pairs, strict=True):
        value = run.measure(part, quantity) if run.is_finished else None
        if value is not None:
            # A repetition of a repetition has no partner.
            found[pair if pair not in found else (pair, str(run.folder))] = value
    return found


def by_repetition(
    mine: Mapping[object, float], theirs: Mapping[object, float], group: Group, counted: Sequence[str]
) -> tuple[Mapping[object, float], Mapping[object, float]]:
    """Average two settings over what else differs within them, so that a repetition counts once.

    Runs of one seed with several values of another setting say nothing of other seeds. Where nothing was
    repeated, these values take the place of repetitions.

    Args:
        mine: a metric by pair, see :func:`measures`.
        theirs: likewise.
        group: whose ``paired_by`` names the pairs' parts.
        counted: keys that count the repetitions.
    """
    places = [group.paired_by.index(key) for key in counted]
    if not places or len(group.paired_by) == len([key for key in group.paired_by if key in COUNTING]):
        return mine, theirs
    if common := mine.keys() & theirs.keys():  # like is compared with like
        mine, theirs = ({key: one[key] for key in one if key in common} for one in (mine, theirs))

    def averaged(one: Mapping[object, float]) -> dict[object, float]:
        found: dict[object, list[float]] = {}
        for pair, value in one.items():
            # That of a repetition of a repetition holds its folder, too, and stands for itself.
            plain = isinstance(pair, tuple) and all(isinstance(part, str) for part in pair)
            key = tuple(pair[place] for place in places) if plain and isinstance(pair, tuple) else pair
            found.setdefault(key, []).append(value)
        return {key: statistics.fmean(values) for key, values in found.items()}

    return averaged(mine), averaged(theirs)


def _line(group: Group, quantity: str, number: int) -> Line:
    done = group.finished
    return Line(
        group,
        validation=Summary(tuple(measures(group, "val", quantity).values())),
        test=Summary(tuple(measures(group, "test", quantity).values())),
        seconds=Summary(tuple(float(run.result["seconds"]) for run in done)),
        parameters=int(done[0].result["parameters"]) if done else 0,
        improvement=None,
        to_best=None,
        number=number,
    )


def _place(validation: Summary, higher: bool) -> tuple[bool, float]:
    mean = validation.mean
    return (math.isnan(mean), 0.0 if math.isnan(mean) else -mean if higher else mean)


def error(value: float, quantity: str) -> float:
    """What an improvement is measured by: one less a rate, or the loss itself.

    Examples:
        >>> error(0.75, "accuracy"), error(0.75, "loss")
        (0.25, 0.75)
    """
    return 1.0 - value if quantity in HIGHER_IS_BETTER else value


def _test_share(runs: Sequence[StudyRun]) -> float | None:
    """Test samples as a share of the training samples, of the first finished run."""
    for run in runs:
        samples = run.result.get("samples") or {}
        if run.is_finished and samples.get("train"):
            return float(samples.get("test", 0)) / float(samples["train"])
    return None


def _against(
    line: Line,
    first: Line,
    best: Line | None,
    quantity: str,
    counted: Sequence[str],
    share: float | None,
) -> Line:
    """Add to a line how it stands to the first setting and to the best."""
    improvement = None
    if first.test.values and line.test.values:
        own, original = (error(one.test.mean, quantity) for one in (line, first))
        improvement = original / own if own > 0 and math.isfinite(original) else None
    if best is None or line is best:
        return replace(line, improvement=improvement)
    mine, theirs = (measures(one.group, "test", quantity) for one in (line, best))
    if not mine or not theirs:
        return replace(line, improvement=improvement)
    found = difference(*by_repetition(mine, theirs, line.group, counted), test_share=share)
    return replace(line, improvement=improvement, to_best=found)
