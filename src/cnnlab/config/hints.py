"""Types of arguments: what YAML can write of them, whether a value fits, and how both are said in words."""

import json
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from cnnlab.config.written import as_typed
from cnnlab.errors import UserError, did_you_mean

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "null"}
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
Hint = Any  # a type form, which has no type of its own


def require(path: str, value: object, hint: Hint) -> None:
    """Refuse a value that its type does not allow; a type that YAML cannot write allows all.

    A number in quotes is a text, and ``true`` is no number.

    Raises:
        UserError: with what was given, what is allowed and the nearest choice.

    Examples:
        >>> require("model.pool", "max", Literal["max", "avg"])
        >>> require("model.pool", "mx", Literal["max", "avg"])
        Traceback (most recent call last):
        cnnlab.errors.UserError: model.pool=mx: allowed is one of max, avg; did you mean max?
    """
    hint = writable(hint)
    if hint is None or fits(value, hint):
        return
    near = did_you_mean(str(value), _choices(hint))
    raise UserError(f"{path}={as_typed(value)}: allowed is {in_words(hint)}{near or '.'}")


def fits(value: object, hint: Hint) -> bool:
    """Whether a value is of the type, as JSON has it: a list is a tuple, 1 a float, ``"1"`` no number.

    Examples:
        >>> fits([0.9, 1], tuple[float, float]), fits("3", int), fits(True, int), fits(float("nan"), float)
        (True, False, False, False)
    """
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False))
        adapter.validate_json(json.dumps(value))
    except ValidationError:
        return False
    except PydanticUserError:
        return True
    return True


def writable(hint: Hint) -> Hint:
    """Return the part of a type that YAML can write; None if there is none, or anything goes.

    Examples:
        >>> writable(float | complex), writable(list[int]), writable(complex)
        (<class 'float'>, list[int], None)
    """
    if hint in WORDS or _parts(hint)[0] is Literal:
        return hint
    if isinstance(hint, type) and issubclass(hint, Path):
        return str
    origin, parts = _parts(hint)
    if origin is None or not parts:
        return None
    if origin is Annotated:
        inner = writable(parts[0])
        return None if inner is None else Annotated[(inner, *parts[1:])]
    kept = [part if part is Ellipsis else writable(part) for part in parts]
    if origin in (Union, types.UnionType):
        found = [part for part in kept if part is not None]
        return Union[tuple(found)] if found else None  # noqa: UP007 - made of a list
    return None if None in kept else origin[tuple(kept)]


def in_words(hint: Hint) -> str:
    """Say a type that YAML can write.

    Examples:
        >>> in_words(int | list[int] | None)
        'a whole number or a list (each a whole number) or null'
    """
    if hint in WORDS:
        return WORDS[hint]
    origin, parts = _parts(hint)
    if origin is Literal:
        return ("one of " if len(parts) > 1 else "") + ", ".join(map(str, parts))
    if origin is Annotated:
        return " ".join([in_words(parts[0]), *_bounds(parts[1:])])
    if origin in (Union, types.UnionType):
        several = [part for part in parts if not (part is int and float in parts)]
        return " or ".join(dict.fromkeys(in_words(part) for part in several))
    if issubclass(origin, Mapping):
        return f"a mapping (each {in_words(parts[1])})" if len(parts) == 2 else "a mapping"
    count = f"of {len(parts)} " if origin is tuple and Ellipsis not in parts else ""
    return f"a list {count}(each {in_words(parts[0])})"


def _parts(hint: Hint) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(hint), get_args(hint)


def _bounds(metadata: tuple[Any, ...]) -> Iterator[str]:
    """Words for the limits that pydantic's ``Field`` puts on a number."""
    limits = [limit for item in metadata for limit in getattr(item, "metadata", [item])]
    said = [
        f"{word} {getattr(limit, name):,}"
        for limit in limits
        for name, word in BOUNDS.items()
        if getattr(limit, name, None) is not None
    ]
    if said:
        yield f"({' and '.join(said)})"


def _choices(hint: Hint) -> list[str]:
    origin, parts = _parts(hint)
    if origin is Literal:
        return [str(choice) for choice in parts]
    return [choice for part in parts for choice in _choices(part)]
