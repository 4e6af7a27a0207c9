"""Calling what a config node names."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from cnnlab.errors import UserError


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
    except (UserError, InstantiationException, ValueError, TypeError, RuntimeError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, UserError):
            raise cause from None
        raise UserError(f"{name}: {str(cause).splitlines()[0]}") from error
