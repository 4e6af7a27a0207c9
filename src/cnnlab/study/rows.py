"""The published results that are reproduced, as ``conf/reproduce.yaml`` lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, cast

from omegaconf import OmegaConf
from pydantic import BaseModel, ConfigDict

from cnnlab.config.compose import expand
from cnnlab.config.conf import conf_dir
from cnnlab.config.launching import launched
from cnnlab.errors import UserError, did_you_mean

REPETITIONS = 3


@dataclass(frozen=True)
class Case:
    """One setting of a row: the row as it is, one of its variants, or a point of its grid.

    Args:
        name: empty for the row as it is.
        overrides: what is set beside ``experiment=...``.
    """

    name: str
    overrides: tuple[str, ...] = ()


class Row(BaseModel):
    """One published result, one question whose answer is a curve, or one recipe of our own with a goal.

    Args:
        name: name of its experiment.
        minutes: of one repetition of the row as it is, on one core; None where it cannot be run.
        published: the figure to reach; None where only a curve, or nothing, was published.
        goal: what a recipe of our own is to reach; the mean itself has to.
        published_sd: its standard deviation, where the source says one.
        metric: what the figure is of, by its part and name in ``result.json``; with ``@4`` behind it, the
            highest of the first four epochs.
        parameters: number of the network's, fixed ones included.
        repeat: keys that count the repetitions.
        repeats: number of repetitions, unless another is asked for; None is three.
        average: a sweep whose runs are averaged within a repetition: the folds.
        grid: a sweep whose points are compared in place of a single setting: in the file ``true`` for what
            its experiment varies under ``-m``.
        choose: what the best point of the grid is chosen by.
        nested: a sweep of which each run of the row as it is takes the best by its own validation loss, so
            that each fold chooses for itself.
        both_ways: whether a figure above the published one is as far off as one below it.
        variants: further settings that the source tries or asks for.
        variant_repeats: repetitions of these; None is those of the row.
        note: why ours is what it is.
        instead: what is done instead of training, for a row that is not a training, or whose data or weights
            could not be had.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    minutes: float | None = None
    published: float | None = None
    published_sd: float | None = None
    goal: float | None = None
    metric: str = "test/accuracy"
    parameters: int | None = None
    repeat: tuple[str, ...] = ("seed",)
    repeats: int | None = None
    average: str | None = None
    grid: tuple[str, ...] = ()
    choose: str | None = None
    nested: tuple[str, ...] = ()
    both_ways: bool = False
    variants: dict[str, tuple[str, ...]] = {}
    variant_repeats: int | None = None
    note: str = ""
    instead: str = ""

    @property
    def less_is_better(self) -> bool:
        """Whether the metric is an error rather than a rate."""
        return self.metric.endswith(("loss", "rmse"))

    def cases(self) -> list[Case]:
        """The row and its variants, or all points of its grid.

        Examples:
            >>> [case.name for case in Row(name="r", grid=("model=mlp", "model.l2=0,1")).cases()]
            ['model=mlp, l2=0', 'model=mlp, l2=1']
        """
        if self.grid:
            return [Case(short_name(point), tuple(point)) for point in expand(self.grid)]
        return [Case("")] + [Case(name, overrides) for name, overrides in self.variants.items()]

    def candidates(self, case: Case) -> list[list[str]]:
        """Settings that each run of a case chooses from: of the row as it is those of the nested choice."""
        return expand(self.nested) if self.nested and not case.name else [[]]

    def repetitions(self, case: Case, asked: int | None) -> int:
        """How often a case is run: as is asked for, or else its own number, or three times.

        Examples:
            >>> row = Row(name="r", variants={"v": ()}, repeats=20, variant_repeats=1)
            >>> [[row.repetitions(case, asked) for case in row.cases()] for asked in (None, 5)]
            [[20, 1], [5, 1]]
        """
        if case.name and self.variant_repeats is not None:
            return self.variant_repeats
        return asked or self.repeats or REPETITIONS

    def jobs(self, case: Case, repetition: int) -> list[list[str]]:
        """Overrides of the runs that one repetition of a case consists of.

        Examples:
            >>> row = Row(name="pima", average="data.fold=0,1")
            >>> row.jobs(Case("sigmoid", ("model.output_activation=sigmoid",)), 2)[1][1:]
            ['model.output_activation=sigmoid', 'seed=2', 'data.fold=1']
        """
        counted = [f"{key}={repetition}" for key in self.repeat]
        base = [f"experiment={self.name}", *case.overrides, *counted]
        return [base + averaged for averaged in (expand([self.average]) if self.average else [[]])]


def short_name(overrides: Sequence[str]) -> str:
    """Name a point of a grid by what varies.

    Examples:
        >>> short_name(["model=deep_cnn", "model.dropout=0.1"])
        'model=deep_cnn, dropout=0.1'
    """
    pairs = (override.partition("=") for override in overrides)
    return ", ".join(f"{key.rpartition('.')[2]}={value}" for key, _, value in pairs)


@cache
def read_rows() -> dict[str, Row]:
    """All rows by their names, cheap ones first, then recipes of our own, then those that cannot be run."""
    listed = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(conf_dir() / "reproduce.yaml")))
    for name, settings in listed.items():
        if settings.get("grid") is True:
            *settings["grid"], _ = launched([f"experiment={name}"], multirun=True).overrides
    rows = [Row(name=name, **settings) for name, settings in listed.items()]
    rows.sort(key=lambda row: (row.minutes is None, row.goal is not None, row.minutes))
    return {row.name: row for row in rows}


def choose_rows(names: Sequence[str]) -> list[Row]:
    """Rows of these names, or all.

    Raises:
        UserError: for a name that is not among them.

    Examples:
        >>> choose_rows(["mnist_mpl"])
        Traceback (most recent call last):
        cnnlab.errors.UserError: mnist_mpl: there is no such row; did you mean mnist_mlp?
    """
    rows = read_rows()
    for name in names:
        if name not in rows:
            some = ", ".join(islice(rows, 5))
            raise UserError(
                f"{name}: there is no such row{did_you_mean(name, rows) or f'. Some are {some}.'}"
            )
    return [rows[name] for name in names] if names else list(rows.values())
