"""Packages that only some commands need, and that are installed when they are asked for."""

import importlib
from typing import Any

from cnnlab.errors import UserError


def needed(module: str, extra: str) -> Any:  # noqa: ANN401 - a module without type information
    """Import a package of an extra.

    Args:
        module: what is imported.
        extra: which of ``pyproject.toml`` brings it.

    Raises:
        UserError: where it is missing; the sentence says what to install.

    Examples:
        >>> needed("no_such_package", "explain")
        Traceback (most recent call last):
        cnnlab.errors.UserError: no_such_package is not installed; pip install 'cnnlab[explain]' brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise UserError(f"{name} is not installed; pip install 'cnnlab[{extra}]' brings it.") from error
