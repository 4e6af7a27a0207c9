"""Resolvers of our own, for values in conf/ that depend on others."""

import re
from typing import NoReturn

from omegaconf import OmegaConf

from cnnlab.errors import UserError

LONGEST_NAME = 120  # bytes; file systems take 255, and a study puts a number before it


def folder_name(text: str) -> str:
    """Turn overrides into a name that every file system takes, cut where it would be too long.

    Examples:
        >>> folder_name("model.kernel_size=3,data=cifar10,data.root=/tmp/x y")
        'model.kernel_size=3,data=cifar10,data.root=-tmp-x-y'
        >>> folder_name("")
        'default'
    """
    name = re.sub(r"[^\w.,=+\[\]-]+", "-", str(text)).encode()[:LONGEST_NAME]
    return name.decode(errors="ignore").rstrip(".") or "default"


def no_environment(name: str, default: object = None) -> NoReturn:
    """Stand in for ``oc.env``: a config ends in run folders, and a stranger's could ask for a secret.

    Raises:
        UserError: always.
    """
    raise UserError(f"a config does not read the environment; let the shell do it, KEY=${name}.")


def register_resolvers() -> None:
    """Make the resolvers known to OmegaConf; any number of times."""
    OmegaConf.clear_resolver("oc.env")
    OmegaConf.register_new_resolver("oc.env", no_environment)
    OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)
