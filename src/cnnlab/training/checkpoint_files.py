"""Files of checkpoints: written beside their target and renamed, read as plain containers of tensors."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

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
            with replacing(target) as temporary:
                with temporary.open("xb") as file:
                    torch.save(checkpoint, file)
                if target.name == LAST and target.exists():
                    target.replace(target.with_name(PREVIOUS))
        except (OSError, RuntimeError) as error:
            # torch hides the system's own word behind one of its own.
            cause = error.__context__ if isinstance(error, RuntimeError) else error
            if not isinstance(cause, OSError):
                raise
            kept = "the one before it is intact" if target.exists() else "there was none before it"
            raise TrainingError(
                f"{target}: the checkpoint cannot be written ({cause.strerror or reason(cause)}); {kept}."
            ) from error

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = None,  # noqa: ANN401 - Lightning's signature
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read one as :func:`load_checkpoint` does; Lightning moves its tensors."""
        return load_checkpoint(Path(path))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU: tensors and plain containers only.

    Raises:
        UserError: if the file cannot be read, or is none.
    """
    try:
        checkpoint = read_torch_file(path)
    except Exception as error:  # whatever rubbish makes torch's reader stumble over
        said = (
            reason(error)
            if isinstance(error, (NotPlain, OSError))
            else "it is damaged, or holds more than tensors"
        )
        raise UserError(f"{path}: not a checkpoint that can be read ({said}).") from error
    if not isinstance(checkpoint, dict) or not {"state_dict", "epoch"} <= checkpoint.keys():
        raise UserError(f"{path}: not a checkpoint, since it holds no weights or no epoch.")
    return checkpoint


def load_weights(module: nn.Module, path: Path) -> int:
    """Put the weights of a checkpoint into a module of the same shape.

    Returns:
        The epoch that they are of, counted from 1.

    Raises:
        UserError: if the file cannot be read, or belongs to another network.
    """
    checkpoint = load_checkpoint(path)
    try:
        module.load_state_dict(checkpoint["state_dict"])
        return int(checkpoint["epoch"]) + 1
    except Exception as error:  # whatever a stranger may have put there
        raise UserError(f"{path}: not a checkpoint of this network ({reason(error)}).") from error
