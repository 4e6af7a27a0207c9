"""The two ways in which a run ends badly, and the sentence that suggests a nearer name."""

import difflib
from collections.abc import Iterable

_LONGEST = 1000  # signs of a message


class UserError(Exception):
    r"""A mistake of the person who typed: one sentence that says what, where and what is allowed.

    The command line prints the message alone and exits with code 2. It often quotes a stranger's file: what
    would move a terminal's cursor or begin a line is written as Python writes it, and the middle of a long
    message is left out.

    Examples:
        >>> str(UserError("table.csv: 'a\x1b[2Jb' is not a number"))
        "table.csv: 'a\\x1b[2Jb' is not a number"
        >>> len(str(UserError("x" * 10_000)))
        1000
    """

    def __init__(self, message: str) -> None:
        shown = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in message)
        if len(shown) > _LONGEST:
            half = _LONGEST // 2
            shown = f"{shown[: half - 5]} ... {shown[-half:]}"
        super().__init__(shown)


class TrainingError(Exception):
    """A training that failed (a loss that is not a number, memory, disk): exit code 1."""


class Pruned(Exception):
    """A search gave this training up, since others did better: no failure."""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` for the nearest allowed name, else an empty string.

    Examples:
        >>> did_you_mean("kernal_size", ["kernel_size", "stride"])
        '; did you mean kernel_size?'
        >>> did_you_mean("zzz", ["kernel_size"])
        ''
    """
    folded = {name.casefold(): name for name in allowed}
    nearest = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[nearest[0]]}?" if nearest else ""


def reason(error: BaseException) -> str:
    r"""First line of an error's message, or its name where it says nothing.

    Examples:
        >>> reason(ValueError("too large\nand more")), reason(EOFError())
        ('too large', 'EOFError')
    """
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
