"""The two ways in which a run ends badly, and the sentence that suggests a nearer name."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

LONGEST_SENTENCE, LONGEST_WORD = 480, 200
LONGEST_LIST, MOST_NEAR = 340, 7


class Refusal(Exception):
    r"""What ends a run with one sentence; however strange what it quotes, the sentence stays readable.

    It quotes what was typed or a stranger's file: what would move a terminal's cursor or begin a line is
    written as its code, and the middle of a long message is left out.

    Examples:
        >>> str(UserError("table.csv: 'a\x1b[2Jb' is not a number"))
        "table.csv: 'a\\x1b[2Jb' is not a number"
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(readable(sentence))


class UserError(Refusal):
    """A mistake of the person who typed: one sentence that says what, where and what is allowed.

    The command line prints the message alone and exits with code 2.
    """


class TrainingError(Refusal):
    """A training that failed (a loss that is not a number, memory, disk): exit code 1.

    Args:
        sentence: what the user reads.
        details: plain values that ``result.json`` keeps.
    """

    def __init__(self, sentence: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.details = details


def readable(text: str) -> str:
    r"""Write what cannot be seen as its code, and cut the middle out of what nobody would read.

    Examples:
        >>> readable("a\nb\u202ec")
        'a\\nb\\u202ec'
        >>> len(readable("x" * 1000)), len(readable("x " * 1000))
        (200, 480)
    """
    shown = visible(text)
    words = re.sub(rf"\S{{{LONGEST_WORD + 1},}}", lambda found: shortened(found.group(), LONGEST_WORD), shown)
    return shortened(words, LONGEST_SENTENCE)


def visible(text: str) -> str:
    r"""Write what cannot be seen, or would move a terminal's cursor, as its code.

    Examples:
        >>> visible("a\x1b[2Jb ñ")
        'a\\x1b[2Jb ñ'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, longest: int) -> str:
    """Cut the middle out of a text that is too long.

    Examples:
        >>> shortened("abcdefghij", 7)
        'ab...ij'
    """
    if len(text) <= longest:
        return text
    kept = longest - 3
    return f"{text[: (kept + 1) // 2]}...{text[len(text) - kept // 2 :]}"


def listed(word: str, names: Iterable[str]) -> str:
    """Name what is allowed; of many names those that are nearest to ``word``.

    Examples:
        >>> listed("a", ["b", "c"])
        'b, c'
        >>> listed("n7", [f"n{i}" for i in range(100)]).split(", ")[0::6]
        ['n7', 'n76 and 93 others']
    """
    every = list(names)
    if len(", ".join(every)) <= LONGEST_LIST:
        return ", ".join(every)
    near = difflib.get_close_matches(word, every, n=MOST_NEAR, cutoff=0.0)
    return f"{', '.join(near)} and {len(every) - len(near)} others"


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
