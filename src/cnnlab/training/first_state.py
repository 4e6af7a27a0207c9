"""What a run that is resumed leaves as it was, until its first new state is written."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import Callback


class FirstState(Callback):
    """Call something once, just before the first state of a sitting is written.

    Whatever ends a run before that leaves its config, its result and its state fit for each other.

    Args:
        begin: what is called.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin
        self.begun = False

    def begin(self) -> None:
        """Call it, unless that was done."""
        if not self.begun:
            self._begin()
            self.begun = True

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Call it here, where nothing refuses the state any more."""
        self.begin()
