"""How deep a pickle nests, found without building anything of it."""

import pickletools
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

DEEPEST = 200  # a checkpoint of a training has about ten
_MARK = -1
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_GETS = ("GET", "BINGET", "LONG_BINGET")
# These put something into a container, which stays as deep as it is unless that is deeper.
_FILLS = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")


class _Effect(NamedTuple):
    """What an instruction does to the stack.

    Args:
        to_mark: whether it takes all that lies behind the last mark, and the mark.
        takes: what it takes besides, from before.
        gives: what it puts there.
        fills: whether it puts what it takes into the first of it.
    """

    to_mark: bool
    takes: int
    gives: int
    fills: bool


def _effect(opcode: pickletools.OpcodeInfo) -> _Effect:
    before, to_mark = opcode.stack_before, pickletools.markobject in opcode.stack_before
    takes = before.index(pickletools.markobject) if to_mark else len(before)
    return _Effect(to_mark, takes, len(opcode.stack_after), opcode.name in _FILLS)


_EFFECTS = {opcode.name: _effect(opcode) for opcode in pickletools.opcodes}


class TooDeep(ValueError):
    """A pickle whose parts nest deeper than those of any file of data."""


def require_shallow(stream: BinaryIO) -> None:
    r"""Read one pickle up to its end, and refuse it if its parts nest deeper than :data:`DEEPEST`.

    Looking up a tuple within tuples by the hundred thousand ends the interpreter.

    Args:
        stream: a pickle; it is left behind it.

    Raises:
        TooDeep: if it nests too deep.
        ValueError: if it is no pickle; other errors of Python's may come where it is damaged.

    Examples:
        >>> import io
        >>> require_shallow(io.BytesIO(b"\x80\x02" + b")" + b"\x85" * 100 + b"."))
        >>> require_shallow(io.BytesIO(b"\x80\x02" + b")" + b"\x85" * 1000 + b"."))
        Traceback (most recent call last):
        cnnlab.nesting.TooDeep: its parts nest deeper than 200
    """
    stack: list[int] = []
    memo: dict[int, int] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name in _PUTS:
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in _GETS:
            stack.append(memo[int(argument or 0)])
        elif name == "MARK":
            stack.append(_MARK)
        else:
            effect = _EFFECTS[name]
            taken = _taken(stack, effect)
            if not effect.gives:
                continue
            if effect.fills:
                depth = max(taken[0], 1 + max(taken[1:], default=_MARK))
            else:
                depth = 1 + max(taken, default=_MARK)
            if depth > DEEPEST:
                raise TooDeep(f"its parts nest deeper than {DEEPEST}")
            stack.extend([depth] * effect.gives)


def _taken(stack: list[int], effect: _Effect) -> Sequence[int]:
    """Take off the stack what an instruction takes, marks left out."""
    taken: list[int] = []
    if effect.to_mark:
        while (depth := stack.pop()) != _MARK:
            taken.append(depth)
    for _ in range(effect.takes):
        taken.append(stack.pop())
    return taken[::-1]
