"""Names of the user's own that configs may call: allowed by who starts the program, for its time."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cnnlab.errors import UserError

FLAG = "--allow-target"
VARIABLE = "CNNLAB_ALLOW_TARGETS"
"""How the flag reaches the processes that a run starts; names after commas."""


def of_the_user() -> list[str]:
    """Return the names that are allowed by flag or environment."""
    return [name for name in os.environ.get(VARIABLE, "").split(",") if name]


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
    before = os.environ.get(VARIABLE)
    if names:
        os.environ[VARIABLE] = ",".join([*of_the_user(), *names])
    try:
        yield left
    finally:
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
