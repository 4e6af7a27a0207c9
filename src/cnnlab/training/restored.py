"""A run's data and network again, from its folder alone."""

from collections.abc import Mapping
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from cnnlab.config.make import make
from cnnlab.data.datamodule import DataModule
from cnnlab.data.input_format import InputFormat
from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.module import NetworkModule
from cnnlab.training.build import build_model
from cnnlab.training.checkpoint_files import read_weights
from cnnlab.training.folder import RunFolder


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
    cfg = place.config()
    data: DataModule = make("data", cfg.data)
    weights, _ = read_weights(place.weights)
    return data, network_of(cfg, data.spec, weights, place.weights)


def restore_network(path: Path) -> tuple[InputFormat, NetworkModule]:
    """Build a run's network with the weights that its test was done with; the data set is not needed.

    Args:
        path: the run folder.

    Returns:
        What the raw samples look like, and the module in evaluation.

    Raises:
        UserError: if this is no run folder, or it holds no weights of its network.
    """
    place = RunFolder(path)
    cfg, form = place.config(), place.input_format()
    weights, _ = read_weights(place.weights)
    return form, network_of(cfg, form.spec, weights, place.weights)


def network_of(cfg: DictConfig, spec: DataSpec, weights: Mapping[str, Tensor], where: Path) -> NetworkModule:
    """Build the network that a config describes, around weights that lie in memory.

    The global random state is left as it was.

    Args:
        cfg: a checked config.
        spec: shapes and classes of the data.
        weights: by their names.
        where: the file that they are from, for messages.

    Returns:
        The module in evaluation.

    Raises:
        UserError: if the weights are not those of this network.
    """
    # Without memory first: a stranger's config may ask for more than there is.
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        planned = build_model(cfg, spec, restored=True).state_dict()
    for name in sorted({*planned, *weights}):
        if name not in planned or name not in weights or planned[name].shape != weights[name].shape:
            raise UserError(f"{where}: not the weights of its network ({name} does not fit).")
    with torch.random.fork_rng(devices=[]):
        model = build_model(cfg, spec, restored=True)
    model.load_state_dict(dict(weights))
    return model.eval()
