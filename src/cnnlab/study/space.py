"""What a search varies, read from overrides in Hydra's grammar."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.override_parser.types import IntervalSweep, Override

from cnnlab.config.compose import parse
from cnnlab.errors import UserError

LOG = "log"
SEARCH = ("hydra/sweeper", "search")


@dataclass(frozen=True)
class Discrete:
    """A setting of which one value is chosen.

    Args:
        key: as typed.
        values: as typed, in their order.
    """

    key: str
    values: tuple[str, ...]

    @property
    def extremes(self) -> tuple[str, ...]:
        """Values that must each be possible."""
        return self.values


@dataclass(frozen=True)
class Interval:
    """A number between two others.

    Args:
        key: as typed.
        low: the lowest.
        high: the highest.
        log: whether its logarithm is drawn.
        whole: whether it is a whole number.
    """

    key: str
    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def extremes(self) -> tuple[str, ...]:
        """Its ends."""
        return str(self.low), str(self.high)


Dimension = Discrete | Interval


@dataclass(frozen=True)
class Space:
    """What is searched, and what stays.

    Args:
        fixed: overrides that all trials have.
        dimensions: what differs between them.
    """

    fixed: tuple[str, ...]
    dimensions: tuple[Dimension, ...]

    def corners(self) -> list[list[str]]:
        """Jobs in which each extreme value occurs once, beside the first ones of the others.

        Examples:
            >>> read_space(["seed=1", "model=mlp,linear", "optimizer.lr=interval(0.1, 1)"]).corners()
            [['seed=1', 'model=mlp', 'optimizer.lr=0.1'], ['seed=1', 'model=linear', 'optimizer.lr=0.1'],
             ['seed=1', 'model=mlp', 'optimizer.lr=1.0']]
        """
        first = {one.key: one.extremes[0] for one in self.dimensions}
        chosen = [first]
        chosen += [first | {one.key: value} for one in self.dimensions for value in one.extremes[1:]]
        return [[*self.fixed, *(f"{key}={value}" for key, value in job.items())] for job in chosen]


def is_search(overrides: Sequence[str]) -> bool:
    """Whether these overrides ask for a search.

    Examples:
        >>> is_search(["hydra/sweeper=search", "seed=0"]), is_search(["seed=0,1"])
        (True, False)
    """
    return "=".join(SEARCH) in overrides


def read_space(overrides: Sequence[str]) -> Space:
    """Part what is searched from what stays.

    ``a,b`` and ``choice(a,b)`` are values to choose from, as ``range(1,9,2)`` is; ``interval(0.1,1)`` is a
    number between, ``tag(log,interval(1e-4,1e-1))`` one whose logarithm is drawn, and
    ``int(interval(8,64))`` a whole one.

    Raises:
        UserError: for an override that cannot be read, or an interval that is none.

    Examples:
        >>> read_space(["optimizer.lr=tag(log,interval(1e-4,1e-1))"]).dimensions
        (Interval(key='optimizer.lr', low=0.0001, high=0.1, log=True, whole=False),)
        >>> read_space(["model.hidden=choice([16],[64,128])"]).dimensions
        (Discrete(key='model.hidden', values=('[16]', '[64,128]')),)
    """
    parsed = parse(overrides)
    # The last of several for one key is the one that counts.
    last = {one.get_key_element(): one for one in parsed}
    fixed = [
        f"{key}={one.get_value_element_as_str()}" if not one.is_delete() else str(one.input_line)
        for key, one in last.items()
        if not one.is_sweep_override()
    ]
    return Space(tuple(fixed), tuple(_dimension(one) for one in last.values() if one.is_sweep_override()))


def _dimension(override: Override) -> Dimension:
    key, value = override.get_key_element(), override.value()
    if not isinstance(value, IntervalSweep):
        values = tuple(dict.fromkeys(override.sweep_string_iterator()))
        if not values:
            raise UserError(f"{override.input_line}: there is no value in it.")
        return Discrete(key, values)
    low, high = value.start, value.end
    log, whole = LOG in value.tags, isinstance(low, int)
    if low is None or high is None or not low < high:
        raise UserError(f"{override.input_line}: an interval goes from a lower number to a higher one.")
    if log and low <= 0:
        raise UserError(f"{override.input_line}: with the tag log an interval begins above 0.")
    return Interval(key, low, high, log, whole)
