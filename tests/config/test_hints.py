from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import pytest
import torch
from pydantic import Field

from cnnlab.config.hints import as_typed, fits, in_words, require, writable
from cnnlab.errors import UserError


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (3, int),
        (3, float),
        (None, int | None),
        ([1, 2], Sequence[int]),
        ([0.9, 0.999], tuple[float, float]),
        (["same", "valid"], Literal["same", "valid"] | Sequence[Literal["same", "valid"]]),
        ({"a": 1}, dict[str, int]),
        (0.5, Annotated[float, Field(ge=0, lt=1)]),
        (1 << 40, int),
    ],
)
def test_what_fits(value, hint):
    assert fits(value, hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("3", int),
        (True, int),
        (True, float),
        (1, bool),
        (3.0, int),
        (None, int),
        ("ab", Sequence[str]),
        ([1.5], Sequence[int]),
        ([0.9], tuple[float, float]),
        (float("inf"), float),
        (float("nan"), float),
        (1.0, Annotated[float, Field(ge=0, lt=1)]),
        (0, Annotated[int, Field(ge=1)]),
    ],
)
def test_what_does_not_fit(value, hint):
    assert not fits(value, hint)


def test_a_type_keeps_only_what_yaml_can_write():
    assert writable(float | torch.Tensor) is float
    assert writable(str | Path | None) == str | None
    assert writable(torch.Tensor) is None
    assert writable(Sequence[torch.Tensor]) is None
    assert writable(tuple[int | torch.Tensor, ...]) == tuple[int, ...]


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Literal["max", "avg"], "one of max, avg"),
        (float | int, "a number"),
        (int | Sequence[int], "a whole number or a list (each a whole number)"),
        (tuple[float, float], "a list of 2 (each a number)"),
        (Annotated[int, Field(ge=1)] | None, "a whole number (at least 1) or null"),
        (Annotated[float, Field(gt=0, le=1)], "a number (above 0 and at most 1)"),
        (Annotated[float, Field(ge=0, lt=1)], "a number (at least 0 and below 1)"),
        (dict[str, int], "a mapping (each a whole number)"),
    ],
)
def test_a_type_in_words(hint, words):
    assert in_words(hint) == words


def test_a_refusal_names_key_value_allowed_and_nearest():
    with pytest.raises(UserError) as refused:
        require("model.norm", "bevore", Literal["none", "before", "after"])
    assert str(refused.value) == (
        "model.norm=bevore: allowed is one of none, before, after; did you mean before?"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        ([1, [0.5, "a"]], "[1,[0.5,a]]"),
        ({"a": 1}, "{a:1}"),
        ("3", '"3"'),
        ("a b", "a b"),
    ],
)
def test_a_value_is_shown_as_it_is_typed(value, shown):
    assert as_typed(value) == shown


def test_a_very_long_value_is_cut():
    assert as_typed("x" * 10_000) == "x" * 77 + "..."
