"""Resolvers of our own, for values in conf/ that depend on others."""

import re

from omegaconf import OmegaConf

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


def register_resolvers() -> None:
    """Make the resolvers known to OmegaConf; any number of times."""
    OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)
