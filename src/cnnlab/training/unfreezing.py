"""Gradual unfreezing: the body of a pretrained network is trained stage after stage, the last one first.

Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, 2018.
"""

import logging

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning import Callback

from cnnlab.config.ranges import Count
from cnnlab.errors import UserError
from cnnlab.models.resnet import ResNet, ResNetModule, Trained
from cnnlab.training.warn import warn


class Unfreezing(Callback):
    """Trains a ResNet's frozen body from later and later stages on.

    The optimizer knows all parameters from the start and passes over frozen ones, so that a training goes on
    from a checkpoint of any epoch: which stages are trained follows from the epoch alone.

    Args:
        layer4: epoch, counted from 1, in which the training of this stage begins; None is never.
        layer3: likewise; with a stage all behind it are trained.
        layer2: likewise.
        layer1: likewise.
        all: likewise of the whole body, its first convolution included.

    Raises:
        UserError: if no stage is named, or an earlier stage begins before a later one.

    Examples:
        >>> Unfreezing(layer4=3, layer3=5).begins
        {'layer4': 3, 'layer3': 5}
    """

    def __init__(
        self,
        layer4: Count | None = None,
        layer3: Count | None = None,
        layer2: Count | None = None,
        layer1: Count | None = None,
        all: Count | None = None,
    ) -> None:
        given: dict[Trained, int | None] = {
            "layer4": layer4,
            "layer3": layer3,
            "layer2": layer2,
            "layer1": layer1,
            "all": all,
        }
        self.begins = {stage: epoch for stage, epoch in given.items() if epoch is not None}
        if not self.begins:
            raise UserError("callbacks.unfreeze: no stage is named; say callbacks.unfreeze.layer4=EPOCH.")
        latest: Trained = next(iter(self.begins))
        for stage, epoch in self.begins.items():
            if epoch < self.begins[latest]:
                raise UserError(
                    f"callbacks.unfreeze.{stage}={epoch}: {latest}, which lies behind it, begins later;"
                    f" allowed is {self.begins[latest]} or more."
                )
            latest = stage

    def require(self, module: pl.LightningModule, trainer: DictConfig) -> None:
        """Refuse a network in which there is nothing to unfreeze.

        Raises:
            UserError: if it is no ResNet, or a stage is trained from the start or cut off.
        """
        network = network_of(module)
        for name, epoch in self.begins.items():
            if not network.is_frozen(name):
                raise UserError(
                    f"callbacks.unfreeze.{name}={epoch}: it is trained from the start; say"
                    f" model.trained=head, or callbacks.unfreeze.{name}=null."
                )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse several devices, and say which stages come too late.

        Raises:
            UserError: if several devices train, which agree at the start on what they exchange.
        """
        if stage != "fit":
            return
        if trainer.world_size > 1:
            raise UserError("callbacks.unfreeze: it takes one device; say trainer.devices=1.")
        for name, epoch in self.begins.items():
            if trainer.max_epochs is not None and 0 < trainer.max_epochs < epoch:
                ends = f"the training ends before, with epoch {trainer.max_epochs}"
                warn(f"callbacks.unfreeze.{name}={epoch}: {ends}")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Follow a checkpoint from which the training goes on, be it in mid-epoch."""
        self._follow(trainer.current_epoch + 1, network_of(pl_module))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Unfreeze what begins in this epoch."""
        self._follow(trainer.current_epoch + 1, network_of(pl_module))

    def _follow(self, epoch: int, network: ResNet) -> None:
        for stage, begin in self.begins.items():
            thawed = network.unfreeze(stage) if begin <= epoch else []
            if thawed:
                count = sum(parameter.numel() for parameter in thawed)
                logging.getLogger("cnnlab").info(
                    "epoch %d: from here on %s is trained, %s parameters more", epoch, stage, f"{count:,}"
                )


def network_of(pl_module: pl.LightningModule) -> ResNet:
    """Return the ResNet that is trained.

    Raises:
        UserError: if it is another network.
    """
    if not isinstance(pl_module, ResNetModule):
        raise UserError(
            f"callbacks.unfreeze: {type(pl_module).__name__} has no stages that could be frozen;"
            " model=resnet18 and model=resnet50 have."
        )
    return pl_module.network
