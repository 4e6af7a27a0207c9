"""Checking a composed config against the signatures that it will be called with.

Hydra lets ``+model.lrr=3``, ``trainer.max_epochs=abc`` and a typo inside a YAML file pass. Here every
node with a ``_target_`` is compared with that callable's arguments and their types, before any data is read.
"""

import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import (
    ConfigDict,
    PydanticSchemaGenerationError,
    PydanticUndefinedAnnotation,
    TypeAdapter,
    ValidationError,
)

from cnnlab.config.compose import conf_dir
from cnnlab.errors import UserError, did_you_mean

# What the code supplies where a node is called; a config may not set it.
SUPPLIED = {
    "model": {"spec", "optimizer", "schedule"},
    "optimizer": {"params"},
    "trainer": {"callbacks", "logger", "default_root_dir", "plugins"},
    "callbacks.*": {"dirpath"},
    "logger.*": {"folder"},
}
# Choices that cnnlab adds to a callable's own.
ADDED_CHOICES = {"trainer.precision": ("auto",)}
TOP_LEVEL = {"seed": int}


@cache
def allowed_targets() -> frozenset[str]:
    """Exact names that a ``_target_`` may have: those in the shipped conf/, which is trusted."""
    pattern = re.compile(r"^\s*_target_:\s*([\w.]+)\s*(?:#.*)?$", re.MULTILINE)
    files = conf_dir().rglob("*.yaml")
    return frozenset(name for file in files for name in pattern.findall(file.read_text(encoding="utf-8")))


def check(cfg: DictConfig) -> None:
    """Compare every ``_target_`` node of a composed config with its callable.

    Args:
        cfg: the composed config; Hydra's own node is passed over.

    Raises:
        UserError: for an unknown target or key, a missing or unresolvable value, or a value of a wrong type.
    """
    try:
        plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "config"
        raise UserError(f"{key}: {str(error).splitlines()[0]}") from error
    for key, value in dict(cast(dict[str, Any], plain)).items():
        if key == "hydra":
            continue
        if isinstance(value, dict):
            _walk(str(key), value)
        elif key in TOP_LEVEL:
            _check_type(str(key), value, TOP_LEVEL[str(key)])
        elif value is not None:
            raise UserError(
                f"{key}: the config has no such key{did_you_mean(str(key), [*map(str, cfg), *TOP_LEVEL])}"
            )


def _walk(path: str, node: Mapping[Any, Any]) -> None:
    target = node.get("_target_")
    if target is not None:
        _check_call(path, str(target), node)
    for key, value in node.items():
        if isinstance(value, dict):
            _walk(f"{path}.{key}", value)


def locate(path: str, target: str) -> Callable[..., Any]:
    """Import what a ``_target_`` names, if it is allowed.

    Raises:
        UserError: if the name is not in the shipped config.
    """
    if target not in allowed_targets():
        hint = did_you_mean(target, allowed_targets())
        raise UserError(f"{path}._target_: {target} is not among the names that cnnlab may call{hint}")
    module, _, name = target.rpartition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def _check_call(path: str, target: str, node: Mapping[Any, Any]) -> None:
    function = locate(path, target)
    parameters = inspect.signature(function).parameters
    supplied = SUPPLIED.get(path) or SUPPLIED.get(f"{path.partition('.')[0]}.*", set())
    allowed = [name for name in parameters if name not in supplied | {"self", "args", "kwargs"}]
    hints = _hints(function)
    for key, value in node.items():
        if str(key).startswith("_") and str(key).endswith("_"):
            continue
        if key not in allowed:
            name = target.rpartition(".")[2]
            if key in supplied:
                raise UserError(f"{path}.{key}: cnnlab sets this itself.")
            hint = did_you_mean(str(key), allowed)
            raise UserError(f"{path}.{key}: {name} has no such argument{hint or '.'}")
        if isinstance(value, dict) and "_target_" in value:
            continue
        if value in ADDED_CHOICES.get(f"{path}.{key}", ()):
            continue
        if key in hints:
            _check_type(f"{path}.{key}", value, hints[key])
    missing = [
        name
        for name in allowed
        if parameters[name].default is inspect.Parameter.empty
        and name not in node
        and not node.get("_partial_")
    ]
    if missing:
        raise UserError(f"{path}.{missing[0]}: {target.rpartition('.')[2]} needs a value for it.")


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Types of the arguments, a network's own included where a module passes them on."""
    found: dict[str, Any] = {}
    network = getattr(function, "network_class", None)
    for part in (network, function):
        if part is None:
            continue
        try:
            found |= typing.get_type_hints(part.__init__ if inspect.isclass(part) else part)
        except (NameError, TypeError):  # types that exist for a type checker only
            continue
    return found


def _admits(hint: object, kind: type) -> bool:
    if hint is kind or hint is Any:
        return True
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return any(isinstance(choice, kind) for choice in typing.get_args(hint))
    if origin in (typing.Union, types.UnionType):
        return any(_admits(part, kind) for part in typing.get_args(hint))
    return False


def _check_type(path: str, value: object, hint: Any) -> None:  # noqa: ANN401 - a type form
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeError):
        return
    wrong_bool = isinstance(value, bool) and not _admits(hint, bool)
    try:
        adapter.validate_python(value)
    except ValidationError:
        wrong = True
    else:
        wrong = wrong_bool
    if wrong:
        choices = _choices(hint)
        near = did_you_mean(str(value), choices)
        raise UserError(f"{path}={value}: allowed is {_readable(hint)}{near or '.'}")


def _choices(hint: Any) -> list[str]:  # noqa: ANN401
    if typing.get_origin(hint) is typing.Literal:
        return [str(choice) for choice in typing.get_args(hint)]
    return [choice for part in typing.get_args(hint) for choice in _choices(part)]


NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}


def _readable(hint: Any) -> str:  # noqa: ANN401
    """Write a type in words: ``a whole number or a list (each a whole number)``."""
    if hint in NAMES:
        return NAMES[hint]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, parts))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_readable(part) for part in parts))
    if origin is not None and parts:
        if issubclass(origin, Mapping):
            return "a mapping"
        return f"a list (each {_readable(parts[0])})"
    return getattr(hint, "__name__", str(hint))
