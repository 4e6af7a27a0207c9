"""What a search is after: the metric of validation by which a training chooses its best epoch."""

from collections.abc import Sequence

import torch
from omegaconf import DictConfig

from cnnlab.errors import UserError
from cnnlab.training.build import build
from cnnlab.training.checkpoints import AUTO, Direction, followed


def followed_by(cfg: DictConfig) -> tuple[str, Direction]:
    """Name of the metric and ``max`` or ``min``, without memory or files.

    Raises:
        UserError: if the network cannot be built.
    """
    checkpoint = cfg.callbacks.checkpoint
    if checkpoint.monitor != AUTO:
        return str(checkpoint.monitor), "min" if checkpoint.mode == "min" else "max"
    with torch.device("meta"):
        _, model = build(cfg)
    return followed(model)


def common_objective(configs: Sequence[DictConfig]) -> tuple[str, Direction]:
    """The one metric that all of these are followed by.

    Raises:
        UserError: if there are several, or it is not one of validation.
    """
    found = dict.fromkeys(followed_by(cfg) for cfg in configs)
    names = " and ".join(f"{name} ({mode})" for name, mode in found)
    if len(found) > 1:
        raise UserError(f"hydra/sweeper=search: its trials would be followed by {names}; one is needed.")
    ((name, mode),) = found
    if not name.startswith("val/"):
        raise UserError(f"callbacks.checkpoint.monitor={name}: a search needs one of validation, val/...")
    return name, mode
