"""Which names a ``_target_`` may have: no config can add to them, only who starts the program.

A name is called if a file of conf/ has it in that group, and it is one of the libraries' names listed here or
a class of cnnlab's own, of the kind that belongs there. So neither a run folder nor a YAML file put into
conf/ can have anything else called.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from cnnlab.config import conf
from cnnlab.config.allowing import FLAG, of_the_user
from cnnlab.config.written import as_typed
from cnnlab.errors import UserError, did_you_mean, reason

_OPTIMIZERS = (
    "ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD",
)  # fmt: skip
LIBRARIES = frozenset({"pytorch_lightning.Trainer", *(f"torch.optim.{name}" for name in _OPTIMIZERS)})
# Where cnnlab's own lie by group, and what they are; a schedule is any class of its module.
OWN = {
    "data": ("cnnlab.data.", ("cnnlab.data.datamodule.DataModule", "cnnlab.data.augment.Augment")),
    "model": ("cnnlab.models.", ("cnnlab.models.module.NetworkModule",)),
    "optimizer": ("cnnlab.optim.", ("torch.optim.Optimizer",)),
    "schedule": ("cnnlab.optim.schedules.", ()),
    "callbacks": ("cnnlab.training.", ("pytorch_lightning.Callback",)),
    "logger": ("cnnlab.training.", ("pytorch_lightning.loggers.Logger",)),
}


@cache
def named_targets(group: str, folder: Path) -> frozenset[str]:
    """Names that the files of a group have as a ``_target_``, and those of the experiments."""
    pattern = re.compile(r"^\s*_target_:\s*([\w.]+)\s*(?:#.*)?$", re.MULTILINE)
    files = [file for part in (group, "experiment") for file in (folder / part).rglob("*.yaml")]
    return frozenset(name for file in files for name in pattern.findall(file.read_text(encoding="utf-8")))


def allowed_targets(group: str) -> frozenset[str]:
    """Names that may be called in this group."""
    place = OWN.get(group, ("", ()))[0]
    shipped = (
        name
        for name in named_targets(group, conf.conf_dir())
        if name in LIBRARIES or (place and name.startswith(place))
    )
    return frozenset([*shipped, *of_the_user()])


def locate(path: str, target: object) -> Callable[..., Any]:
    """Import what a ``_target_`` names, if it may be called in this group.

    Args:
        path: the node's place in the config.
        target: the dotted name.

    Raises:
        UserError: for any other name.

    Examples:
        >>> locate("optimizer", "torch.optim.SGD").__name__
        'SGD'
        >>> locate("model", "os.system")
        Traceback (most recent call last):
        cnnlab.errors.UserError: model._target_=os.system: it is not among the names that may be called ...
    """
    group = path.partition(".")[0]
    allowed = allowed_targets(group)
    if not isinstance(target, str) or target not in allowed:
        hint = did_you_mean(str(target), allowed) or f"; those are {', '.join(sorted(allowed))}."
        raise UserError(
            f"{path}._target_={as_typed(target)}: it is not among the names that may be called here{hint}"
            f" {FLAG} MODULE.CLASS adds one of your own."
        )
    found = _imported(path, str(target))
    if target not in LIBRARIES and target not in of_the_user() and not _is_own(group, found):
        raise UserError(f"{path}._target_={as_typed(target)}: it is nothing that a {group} can be.")
    return found


def _imported(path: str, name: str) -> Callable[..., Any]:
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{path}._target_={name}: it cannot be imported ({reason(error)}).") from error
    if not callable(found):
        raise UserError(f"{path}._target_={name}: it cannot be called.")
    called: Callable[..., Any] = found
    return called


def _is_own(group: str, found: object) -> bool:
    kinds = tuple(_imported(group, name) for name in OWN[group][1])
    return inspect.isclass(found) and (not kinds or issubclass(found, kinds))  # type: ignore[arg-type]
