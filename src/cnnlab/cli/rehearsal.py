"""Building what a run needs besides its data, so that a mistake is found before the first job starts."""

import logging
import warnings
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from cnnlab.training.build import build
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
    settings = OmegaConf.masked_copy(cfg.trainer, [key for key in cfg.trainer if key not in NOT_REHEARSED])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run will say it again
        logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
        build_trainer(settings, model.network, Path(), callbacks=[], loggers=[])
