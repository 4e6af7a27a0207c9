"""Files of checkpoints: written beside their target and renamed, read as plain containers of tensors."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from cnnlab.errors import TrainingError, UserError, reason
from cnnlab.files import replacing
from cnnlab.torchfile import NotPlain, read_torch_file
from cnnlab.training.folder import LAST, PREVIOUS


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, but a kill or a full disk never leaves half of one.

    Lightning itself writes by way of TMPDIR, which may be another file system. Beside the last state the
    one before it is kept.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any | None = None,  # noqa: ANN401 - Lightning's signature
    ) -> None:
        """Write one checkpoint whole or not at all.

        Raises:
            TrainingError: if the disk does not take it; what stood at ``path`` is then unharmed.
        """
        target = Path(path)
        try:
            before = target.with_name(PREVIOUS) if target.name == LAST else None
            with replacing(target, before) as temporary, temporary.open("xb") as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:
            # torch hides the system's own word behind one of its own.
            cause = error.__context__ if isinstance(error, RuntimeError) else error
            if not isinstance(cause, OSError):
                raise
            kept = "the one before it is intact" if target.exists() else "there was none before it"
            raise TrainingError(
                f"{target}: the checkpoint cannot be written ({cause.strerror or reason(cause)}); {kept}."
            ) from error

    def load_checkpoint(self, path: str | Path, *_: Any, **__: Any) -> dict[str, Any]:  # noqa: ANN401
        """Read one as :func:`read_checkpoint` does; Lightning moves its tensors."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU: tensors and plain containers only, every byte as it was written.

    Raises:
        UserError: if the file is damaged, or no checkpoint.
    """
    try:
        found = read_torch_file(path)
    except Exception as error:  # whatever rubbish makes torch's reader stumble over
        plain = isinstance(error, (NotPlain, OSError))
        said = reason(error) if plain else "it is damaged, or holds more than tensors"
        raise UserError(f"{path}: not a checkpoint that can be read ({said}).") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: not a checkpoint, since it holds no state.")
    return found


def read_weights(path: Path) -> tuple[dict[str, Tensor], int]:
    """Read the weights of a checkpoint, by their names, and the epoch that they are of, counted from 1.

    Raises:
        UserError: if the file is damaged, or holds no weights.
    """
    checkpoint = read_checkpoint(path)
    weights, epoch = checkpoint.get("state_dict"), checkpoint.get("epoch")
    if not isinstance(weights, dict) or not all(isinstance(one, Tensor) for one in weights.values()):
        raise UserError(f"{path}: not a checkpoint of a network (it holds no weights).")
    if not isinstance(epoch, int):
        raise UserError(f"{path}: not a checkpoint of a network (it does not say its epoch).")
    return weights, epoch + 1


def load_weights(module: nn.Module, path: Path) -> int:
    """Put the weights of a checkpoint into a module of the same shape.

    Returns:
        The epoch that they are of, counted from 1.

    Raises:
        UserError: if the file cannot be read, or belongs to another network.
    """
    weights, epoch = read_weights(path)
    try:
        module.load_state_dict(weights)
    except Exception as error:  # whatever a stranger may have put there
        raise UserError(f"{path}: not a checkpoint of this network ({reason(error)}).") from error
    return epoch
