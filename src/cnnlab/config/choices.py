"""Which option of each config group follows from what was typed."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from cnnlab.config.compose import compose
from cnnlab.config.conf import HYDRA, groups
from cnnlab.errors import UserError


def options_typed(told: Sequence[str]) -> tuple[str, ...]:
    """Which options of config groups were typed.

    Examples:
        >>> options_typed(["model=mlp", "model.hidden=[10]", "seed=1", "data=digits"])
        ('model=mlp', 'data=digits')
    """
    known = {key for key in groups() if not key.startswith(HYDRA)}
    return tuple(f"{key}={option}" for key, option in _pairs(told) if key in known and _is_plain(option))


def _is_plain(option: str) -> bool:
    return option.replace("_", "").replace("/", "").isalnum()


@cache
def choices(typed: tuple[str, ...]) -> Mapping[str, str]:
    """The option of each config group where these were typed; as typed, where they are no longer there.

    Examples:
        >>> choices(("experiment=pima",))["model"]
        'mlp'
    """
    try:
        found = compose(typed, with_hydra=True).hydra.runtime.choices
    except UserError:
        return dict(_pairs(typed))
    return {str(key): str(option) for key, option in found.items() if option is not None}


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        key, _, option = word.partition("=")
        yield key, option
