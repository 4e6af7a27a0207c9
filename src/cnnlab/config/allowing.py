"""Names of the user's own that configs may call: allowed by who starts the program, for its time."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cnnlab.errors import UserError

FLAG = "--allow-target"
VARIABLE = "CNNLAB_ALLOW_TARGETS"
"""How the flag reaches the processes that a run starts; names after commas."""


def _in_environment() -> tuple[str, ...]:
    return tuple(name for name in os.environ.get(VARIABLE, "").split(",") if name)


# Read once, at the start: what a job sets later allows nothing.
_allowed = _in_environment()


def of_the_user() -> tuple[str, ...]:
    """Return the names that were allowed by flag or environment when the program started."""
    return _allowed


def allow_only(names: Sequence[str]) -> None:
    """Allow these names, and whatever else the environment holds not."""
    global _allowed
    _allowed = tuple(names)


@contextmanager
def allowing(words: list[str]) -> Iterator[list[str]]:
    """Take the flags that allow a name out of what was typed, and allow those names.

    Args:
        words: what was typed.

    Raises:
        UserError: if a flag lacks its name.

    Examples:
        >>> with allowing(["model=mlp", "--allow-target", "mine.Net", "seed=1"]) as left:
        ...     left, os.environ[VARIABLE]
        (['model=mlp', 'seed=1'], 'mine.Net')
    """
    left, names = _without_flags(words)
    before, allowed_before = os.environ.get(VARIABLE), of_the_user()
    allow_only([*_in_environment(), *names])
    if names:
        os.environ[VARIABLE] = ",".join(of_the_user())
    try:
        yield left
    finally:
        allow_only(allowed_before)
        if before is not None:
            os.environ[VARIABLE] = before
        else:
            os.environ.pop(VARIABLE, None)


def _without_flags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    left, names, rest = [], [], iter(words)
    for word in rest:
        if word.partition("=")[0] != FLAG:
            left.append(word)
            continue
        name = word.partition("=")[2] if "=" in word else next(rest, "")
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", name):
            raise UserError(f"{FLAG} {name}: allowed is the dotted name of a class, as mine.networks.Net.")
        names.append(name)
    return left, names
