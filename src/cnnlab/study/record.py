"""What the runs of a row come to: a small JSON file, a mean, a verdict."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from cnnlab.errors import UserError
from cnnlab.files import write_json
from cnnlab.study.rows import Row

SEEDS_FOR_A_VERDICT = 3
LARGEST_ALLOWANCE = 0.01
MOST_POINTS = 60
Shortened = Literal["partial", "too short"]
Verdict = Literal["met", "below", "above", "too few runs", "shown", "failed", "reached"] | Shortened


@dataclass
class Curves:
    """Means by epoch over the repetitions, thinned where there are many epochs.

    Args:
        epochs: counted from 1.
        means: of each column of ``metrics.csv``, one for each epoch; NaN where it was not taken.
        sds: standard deviations likewise; empty for a single repetition.
    """

    epochs: list[int]
    means: dict[str, list[float]]
    sds: dict[str, list[float]]


def mean_curves(histories: Sequence[Mapping[str, list[float]]]) -> Curves | None:
    """Means and standard deviations by epoch, up to the epoch that all runs reached.

    Where validation is not taken in each epoch, only those epochs are kept in which it is.

    Examples:
        >>> curves = mean_curves([{"epoch": [1], "val/loss": [0.5]}, {"epoch": [1], "val/loss": [0.7]}])
        >>> curves.epochs, round(curves.means["val/loss"][0], 3), round(curves.sds["val/loss"][0], 3)
        ([1], 0.6, 0.141)
    """
    length = min((len(one["epoch"]) for one in histories), default=0)
    if not length:
        return None
    losses = [one["val/loss"] for one in histories if "val/loss" in one]
    there = [i for i in range(length) if losses and all(math.isfinite(loss[i]) for loss in losses)]
    there = there or list(range(length))
    step = -(-len(there) // MOST_POINTS)
    kept = there[(len(there) - 1) % step :: step]
    names = [name for name in histories[0] if "/" in name and all(name in one for one in histories)]
    columns = {name: [[one[name][i] for one in histories] for i in kept] for name in names}
    means = {
        name: [_rounded(statistics.fmean(values)) for values in column] for name, column in columns.items()
    }
    sds = {name: [_rounded(_deviation(values)) for values in column] for name, column in columns.items()}
    return Curves([i + 1 for i in kept], means, sds if len(histories) > 1 else {})


def _deviation(values: Sequence[float]) -> float:
    return math.nan if any(map(math.isnan, values)) or len(values) < 2 else statistics.stdev(values)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


@dataclass
class CaseRecord:
    """All repetitions of one case.

    Args:
        overrides: of the case.
        settings: digest of the whole config but the seeds.
        values: the row's metric, one for each repetition.
        chosen_by: what a choice between cases looks at, likewise; empty where none is made.
        losses: of the test, likewise.
        epochs: number of epochs trained.
        minutes: of each repetition.
        parameters: of the network.
        partial: whether it was run with fewer epochs or batches than the experiment says.
        too_short: whether these were fewer than a quarter of the epochs, or some batches of each.
        chosen: of a nested choice, how often each setting was taken.
        failure: the sentence that a run ended with.
        curves: of the repetitions; None where none are kept.
    """

    overrides: list[str]
    settings: str = ""
    values: list[float] = field(default_factory=list)
    chosen_by: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)
    parameters: int = 0
    partial: bool = False
    too_short: bool = False
    chosen: dict[str, int] = field(default_factory=dict)
    failure: str = ""
    curves: Curves | None = None

    @property
    def worth(self) -> int:
        """How much it says: nothing (0), a training too short (1), part of one (2), the whole of it (3)."""
        if not self.values or self.failure:
            return 0
        return 1 if self.too_short else 2 if self.partial else 3

    def says_less(self, old: "CaseRecord") -> bool:
        """Whether it is worth less than an older record, or as much with fewer epochs or fewer repetitions.

        Examples:
            >>> old = CaseRecord([], "a", [0.5, 0.6], epochs=[10, 10], partial=True)
            >>> longer = CaseRecord([], "b", [0.7], epochs=[15], partial=True)
            >>> longer.says_less(old), old.says_less(longer), CaseRecord([]).says_less(old)
            (False, True, True)
        """
        if self.worth != old.worth:
            return self.worth < old.worth
        if self.settings == old.settings:
            return len(self.values) < len(old.values)
        return self.partial and statistics.fmean(self.epochs or [0]) < statistics.fmean(old.epochs or [0])

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float:
        """Standard deviation of the sample of values; 0 of a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0


@dataclass
class Record:
    """All cases of one row, as its JSON file holds them.

    Args:
        row: name of the row.
        metric: what the values are of.
        cases: by their names; the row as it is has the empty name.
        versions: of Python and of the packages that the figures depend on.
        device: and precision that the runs had.
    """

    row: str
    metric: str
    cases: dict[str, CaseRecord] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    device: str = ""

    def write(self, path: Path) -> None:
        """Write the JSON file, whole or not at all."""
        write_json(path, asdict(self), indent=1)

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Read a JSON file.

        Raises:
            UserError: if it is not a record.
        """
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            cases = {name: CaseRecord(**_with_curves(case)) for name, case in plain.pop("cases").items()}
            return cls(cases=cases, **plain)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{path}: not the record of a row ({error}); remove it to run the row anew."
            ) from error

    def main(self, row: Row) -> CaseRecord | None:
        """The case whose figure is the row's: the row as it is, or the chosen point of its grid."""
        if row.choose is None:
            return self.cases.get("")
        complete = [case for case in self.cases.values() if case.chosen_by and not case.failure]
        return max(complete, key=lambda case: statistics.fmean(case.chosen_by), default=None)


def _with_curves(case: dict[str, Any]) -> dict[str, Any]:
    curves = case.pop("curves", None)
    if curves:
        for columns in (curves["means"], curves["sds"]):
            for name, values in columns.items():
                columns[name] = [math.nan if value is None else value for value in values]
    for name in ("values", "losses", "chosen_by"):
        case[name] = [math.nan if value is None else value for value in case.get(name, [])]
    return case | {"curves": Curves(**curves) if curves else None}


def verdict(row: Row, record: Record) -> Verdict:
    """Say whether a row's published figure was met, or its goal reached.

    Met it is where the mean is at or above the published figure less twice our standard deviation, but at
    most 0.01 less, in three repetitions or more of the whole training; where the row says so, it may not be
    above it by more than that either.

    Examples:
        >>> row = Row(name="r", published=0.95)
        >>> verdict(row, Record("r", "test/accuracy", {"": CaseRecord([], values=[0.94, 0.95, 0.952])}))
        'met'
        >>> verdict(row, Record("r", "test/accuracy", {"": CaseRecord([], values=[0.93, 0.93, 0.93])}))
        'below'
        >>> shorter = CaseRecord([], values=[0.9], partial=True)
        >>> verdict(Row(name="curves"), Record("curves", "test/accuracy", {"": shorter}))
        'partial'
    """
    case = record.main(row)
    aim = row.published if row.goal is None else row.goal
    if aim is None:
        if not any(found.values for found in record.cases.values()):
            return "failed"
        alike = [case] if case is not None else list(record.cases.values())
        return next((found for found in map(_shortened, alike) if found), "shown")
    if case is None or case.failure or not case.values:
        return "failed"
    if shortened := _shortened(case):
        return shortened
    if len(case.values) < SEEDS_FOR_A_VERDICT:
        return "too few runs"
    if row.goal is not None:
        reached = case.mean <= row.goal if row.less_is_better else case.mean >= row.goal
        return "reached" if reached else "below"
    allowance = min(2 * case.sd, LARGEST_ALLOWANCE)
    if row.both_ways and case.mean > aim + allowance:
        return "above"
    return "met" if case.mean >= aim - allowance else "below"


def _shortened(case: CaseRecord) -> Shortened | None:
    if case.too_short:
        return "too short"
    return "partial" if case.partial else None
