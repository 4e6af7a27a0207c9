"""Packages that only some features need, and the sentence that says how to install them."""

import importlib
from types import ModuleType

from cnnlab.errors import UserError


def extra(module: str, name: str) -> ModuleType:
    """Import a package that an extra of cnnlab installs.

    Args:
        module: to import.
        name: of the extra.

    Raises:
        UserError: if it is not installed.

    Examples:
        >>> extra("json", "export").__name__
        'json'
        >>> extra("no_such_package", "export")
        Traceback (most recent call last):
        cnnlab.errors.UserError: no_such_package is not installed; pip install 'cnnlab[export]' installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UserError(f"{package} is not installed; pip install 'cnnlab[{name}]' installs it.") from error
