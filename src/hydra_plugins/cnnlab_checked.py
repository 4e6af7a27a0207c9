"""Hydra's own sweeper for jobs that are checked already."""

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper


class CheckedSweeper(BasicSweeper):
    """Every combination of the values after the commas, as Hydra itself runs them.

    It composes no job before its turn: cnnlab has composed and checked all of them before the first.
    """

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Nothing is left to check."""
