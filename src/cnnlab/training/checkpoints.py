"""Checkpoints: written beside their target and renamed, read as tensors and plain containers only."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

from cnnlab.errors import UserError
from cnnlab.files import replacing


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, but a kill or a full disk never leaves half of one.

    Lightning itself writes by way of TMPDIR, which may be another file system.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any | None = None,  # noqa: ANN401 - Lightning's signature
    ) -> None:
        """Write one checkpoint whole or not at all."""
        with replacing(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


def load_weights(module: nn.Module, path: Path) -> None:
    """Put the weights of a checkpoint into a module of the same shape.

    Raises:
        UserError: if the file cannot be read, or belongs to another network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        module.load_state_dict(state)
    except (OSError, KeyError, RuntimeError, ValueError, EOFError) as error:
        raise UserError(
            f"{path}: not a checkpoint of this network ({str(error).splitlines()[0]})."
        ) from error
