"""Calling what a config node names."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig

from cnnlab.errors import UserError, reason
from cnnlab.memory import is_lack

REFUSALS = (
    UserError,
    InstantiationException,
    MisconfigurationException,  # Lightning's own
    ValueError,
    TypeError,
    RuntimeError,
    ImportError,  # something that must be installed for a choice
)


def make(name: str, node: DictConfig, **supplied: Any) -> Any:  # noqa: ANN401 - whatever is named
    """Call a node's ``_target_`` with its own values and those that only the code knows.

    Args:
        name: the node's place in the config, for messages.
        node: a checked node; with ``_partial_`` the callable is returned uncalled.
        supplied: further arguments.

    Raises:
        UserError: in one sentence, for a value that the callable refuses.
    """
    try:
        # Hydra would turn dataclasses among the arguments into configs, so they come after it.
        made = instantiate(node, _convert_="all", _partial_=True)
        return made if node.get("_partial_") else made(**supplied)
    except REFUSALS as error:
        if isinstance(error, UserError) or is_lack(error):
            raise
        cause = error.__cause__ or error
        if is_lack(cause):
            raise cause from None
        if isinstance(cause, UserError):
            raise cause from None
        raise UserError(f"{name}: {reason(cause)}") from error
