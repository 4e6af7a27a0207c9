"""A run's data and network again, from its folder alone."""

from pathlib import Path

from cnnlab.data.datamodule import DataModule
from cnnlab.errors import UserError
from cnnlab.models.module import NetworkModule
from cnnlab.training.checkpoints import load_weights
from cnnlab.training.folder import RunFolder
from cnnlab.training.run import build


def restore(path: Path) -> tuple[DataModule, NetworkModule]:
    """Build what a run's config says, with the weights that its test was done with.

    The data's files are neither looked for nor read; ``prepare_data`` and ``setup`` do that.

    Args:
        path: the run folder.

    Returns:
        The data module, and the module in evaluation.

    Raises:
        UserError: if this is no run folder, or it holds no weights of its network.
    """
    place = RunFolder(path)
    data, model = build(place.config(), restored=True)
    weights = place.best if place.best.exists() else place.last
    if not weights.exists():
        raise UserError(f"{path}: this run has kept no weights, there is no {weights.relative_to(path)}.")
    load_weights(model, weights)
    return data, model.eval()
