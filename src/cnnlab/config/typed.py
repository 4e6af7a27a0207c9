"""What is typed, looked at before anything reads it: words that no setting needs, and no parser stands."""

from collections.abc import Iterable

from cnnlab.errors import UserError, shortened

LONGEST_WORD, DEEPEST = 5000, 20
SHOWN = 80


def require_readable(words: Iterable[str]) -> None:
    r"""Refuse words that hold signs which cannot be seen, that never end, or that nest without end.

    Raises:
        UserError: for the first such word.

    Examples:
        >>> require_readable(["model=mlp", "data.path=my photos/ñandú"])
        >>> require_readable(["model=ml\u200bp"])
        Traceback (most recent call last):
        cnnlab.errors.UserError: model=ml\u200bp: it holds the sign U+200B, which cannot be seen.
    """
    for word in words:
        if len(word) > LONGEST_WORD:
            raise UserError(
                f"{shortened(word, SHOWN)}: it is {len(word):,} letters long; allowed are {LONGEST_WORD:,}."
            )
        hidden = next((sign for sign in word if not sign.isprintable()), None)
        if hidden is not None:
            raise UserError(f"{word}: it holds the sign U+{ord(hidden):04X}, which cannot be seen.")
        if depth(word) > DEEPEST:
            raise UserError(
                f"{shortened(word, SHOWN)}: {depth(word)} brackets in each other; allowed are {DEEPEST}."
            )


def depth(word: str) -> int:
    """How deep brackets stand in each other.

    Examples:
        >>> depth("[[1,2],[3]]")
        2
    """
    open_now = deepest = 0
    for sign in word:
        open_now += (sign in "[{(") - (sign in "]})")
        deepest = max(deepest, open_now)
    return deepest
