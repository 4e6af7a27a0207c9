"""A data module and a network from a config."""

import torch
from omegaconf import DictConfig

from cnnlab.config.make import make
from cnnlab.config.targets import locate
from cnnlab.data.datamodule import DataModule
from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError, reason
from cnnlab.models.module import NetworkModule


def build(cfg: DictConfig, *, restored: bool = False) -> tuple[DataModule, NetworkModule]:
    """Make data module and model from a config, without touching the data's files.

    Args:
        cfg: a checked config.
        restored: see :func:`build_model`.

    Raises:
        UserError: if the model cannot take the data, or a value is out of range.
    """
    data: DataModule = make("data", cfg.data)
    model = build_model(cfg, data.spec, restored=restored)
    if data.batch_size == 1 and any(isinstance(m, torch.nn.BatchNorm1d) for m in model.modules()):
        raise UserError("data.batch_size=1: batch norm of dense layers needs two samples or more.")
    return data, model


def build_model(cfg: DictConfig, spec: DataSpec, *, restored: bool = False) -> NetworkModule:
    """Make the model that a config asks for, for such data.

    The initial weights depend on the seed and the network alone.

    Args:
        cfg: a checked config.
        spec: shapes and classes of the data.
        restored: the weights will come from a checkpoint; pretrained ones are neither read nor fetched.

    Raises:
        UserError: if the model cannot take the data, or a value is out of range.
    """
    torch.manual_seed(cfg.seed)
    fixed = getattr(locate("model", cfg.model._target_), "settings_of_restored", {}) if restored else {}
    model: NetworkModule = make(
        "model",
        cfg.model,
        spec=spec,
        optimizer=make("optimizer", cfg.optimizer),
        schedule=make("schedule", cfg.schedule),
        **fixed,
    )
    try:
        model.configure_optimizer()
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"optimizer: {reason(error)}") from error
    return model
