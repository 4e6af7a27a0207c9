"""Building what a run needs besides its data, so that a mistake is found before the first job starts."""

import warnings
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from cnnlab.cli.isolation import quiet_lightning
from cnnlab.memory import require_memory
from cnnlab.training.build import build
from cnnlab.training.callbacks import make_callbacks
from cnnlab.training.trainer import build_trainer

# Settings of the Trainer that change the process.
NOT_REHEARSED = ("deterministic",)


def rehearse(cfg: DictConfig) -> None:
    """Build data module, model, optimizer and Trainer of a checked config, without memory or files.

    Raises:
        UserError: for whatever one of them refuses: a value out of range, an image too small for the
            network, a device that is not there.
    """
    with torch.device("meta"):
        _, model = build(cfg)
    settings = OmegaConf.create(
        {key: value for key, value in cfg.trainer.items() if key not in NOT_REHEARSED}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run will say it again
        quiet_lightning()
        make_callbacks(cfg, model, Path())
        require_memory(sum(p.numel() * p.element_size() for p in model.parameters()))
        build_trainer(settings, model.network, Path(), callbacks=[], loggers=[])
