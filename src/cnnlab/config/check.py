"""Checking a composed config against the signatures that it will be called with.

Hydra lets ``+model.lrr=3``, ``trainer.max_epochs=abc`` and a typo inside a YAML file pass. Here every
node with a ``_target_`` is compared with that callable's arguments and their types, before any data is read.
"""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from cnnlab.config import conf
from cnnlab.config.hints import require
from cnnlab.config.limits import LIMITS
from cnnlab.config.targets import locate
from cnnlab.config.together import require_together
from cnnlab.config.written import as_typed
from cnnlab.errors import UserError, did_you_mean, reason

# Groups whose option is one call, and groups that hold several by name.
CALLED = ("data", "model", "optimizer", "schedule", "trainer")
COLLECTIONS = ("callbacks", "logger")
NEEDED = ("callbacks.checkpoint", "optimizer._partial_")
SINGLE_VALUES = ("seed",)
SINGLE_MEMBERS = ("callbacks.on_nan",)  # may be left out
PARTIAL = ("optimizer",)
# What the code supplies where a node is called; a config may not set it.
SUPPLIED = {
    "model": {"spec", "optimizer", "schedule", "vocabulary_size"},
    "optimizer": {"params"},
    "trainer": {
        "callbacks",
        "logger",
        "default_root_dir",
        "plugins",
        "enable_progress_bar",
        "enable_checkpointing",
        "reload_dataloaders_every_n_epochs",  # each would begin anew, with the order of the first epoch
    },
    "callbacks": {"dirpath"},
    "logger": {"folder"},
}


def check(cfg: DictConfig) -> None:
    """Compare every ``_target_`` node of a composed config with its callable.

    Args:
        cfg: the composed config; Hydra's own node is passed over.

    Raises:
        UserError: for an unknown target or key, a missing or unresolvable value, a value that is of a wrong
            type or out of range, or two that exclude each other.
    """
    plain = _resolved(cfg)
    plain.pop("hydra", None)
    known = (*CALLED, *COLLECTIONS, *SINGLE_VALUES)
    for key in plain:
        if key not in known:
            raise UserError(f"{key}: the config has no such key{did_you_mean(key, known) or '.'}")
    for key in SINGLE_VALUES:
        require(key, plain.get(key), LIMITS[key])
    for path, node in _nodes(plain):
        _check_call(path, node)
    require_together(plain)


def _resolved(cfg: DictConfig) -> dict[str, Any]:
    try:
        plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "config"
        if isinstance(error, MissingMandatoryValue):
            raise UserError(f"{key}: needs a value; say {key}=...") from error
        root: BaseException = error
        while root.__context__ is not None:
            root = root.__context__
        raise UserError(f"{key}: {reason(root if isinstance(root, UserError) else error)}") from error
    return cast(dict[str, Any], plain)


def _nodes(plain: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every node that is to be called, with its place in the config."""
    for key in CALLED:
        yield key, _mapping(key, plain.get(key))
    for key in COLLECTIONS:
        members = _mapping(key, plain.get(key))
        for name, node in members.items():
            if f"{key}.{name}" in SINGLE_MEMBERS:
                require(f"{key}.{name}", node, LIMITS[f"{key}.{name}"])
            elif node is not None:
                yield f"{key}.{name}", _mapping(f"{key}.{name}", node)
    for path in NEEDED:
        group, _, name = path.partition(".")
        if plain[group].get(name) is None:
            raise UserError(f"{path}: it cannot be left out.")


def _mapping(path: str, node: object) -> Mapping[str, Any]:
    if isinstance(node, dict):
        return node
    if path not in conf.groups():
        raise UserError(f"{path}={as_typed(node)}: allowed are settings with a _target_ among them.")
    raise UserError(f"{path}: none is chosen; say {path}=..., with one of {', '.join(conf.groups()[path])}.")


def _check_call(path: str, node: Mapping[str, Any]) -> None:
    if "_target_" not in node:
        raise UserError(f"{path}: the settings lack their _target_, the name of what they are for.")
    function = locate(path, node["_target_"])
    name = node["_target_"].rpartition(".")[2]
    parameters = inspect.signature(function).parameters
    supplied = SUPPLIED.get(path.partition(".")[0], set())
    allowed = [key for key in parameters if key not in supplied | {"self", "args", "kwargs"}]
    hints = _hints(function)
    for key, value in node.items():
        place = f"{path}.{key}"
        if key in supplied or _is_directive(path, str(key), value):
            raise UserError(f"{place}: cnnlab sets this itself.")
        if key in ("_target_", "_partial_"):
            continue
        if key not in allowed:
            raise UserError(f"{place}: {name} has no such argument{did_you_mean(str(key), allowed) or '.'}")
        hint = LIMITS.get(place, hints.get(key, Any))
        if dataclasses.is_dataclass(hint):
            _check_call(place, _mapping(place, value))
        else:
            _refuse_calls(place, value)
            require(place, value, hint)
    for key in allowed:
        if parameters[key].default is inspect.Parameter.empty and key not in node:
            raise UserError(f"{path}.{key}: {name} needs a value for it; say {path}.{key}=...")


def _is_directive(path: str, key: str, value: object) -> bool:
    """Whether a key is one of Hydra's own that would change how the node is called."""
    expected = key == "_target_" or (key == "_partial_" and path in PARTIAL and value is True)
    return key.startswith("_") and key.endswith("_") and not expected


def _refuse_calls(path: str, value: object) -> None:
    """Refuse a call inside a plain value: Hydra would make it, whatever it names."""
    if isinstance(value, dict):
        if "_target_" in value:
            raise UserError(f"{path}._target_: nothing can be called here.")
        for key, part in value.items():
            _refuse_calls(f"{path}.{key}", part)
    elif isinstance(value, list):
        for i, part in enumerate(value):
            _refuse_calls(f"{path}[{i}]", part)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Types of the arguments, a network's own included where a module passes them on."""
    found: dict[str, Any] = {}
    classes = reversed(inspect.getmro(function)) if inspect.isclass(function) else (function,)
    for part in (getattr(function, "network_class", None), *classes):
        if part is None:
            continue
        called = part.__init__ if inspect.isclass(part) else part
        try:
            found |= typing.get_type_hints(called, include_extras=True)
        except (NameError, TypeError):  # types that exist for a type checker only
            continue
    return found
