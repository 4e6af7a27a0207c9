"""Saying something that does not stop a run: on the screen and in its log."""

import logging
import sys

from lightning_utilities.core.rank_zero import rank_zero_only


@rank_zero_only
def warn(sentence: str) -> None:
    """Print a warning, and write it to the run's log."""
    logging.getLogger("cnnlab").warning(sentence)
    print(f"cnnlab: warning: {sentence}.", file=sys.stderr, flush=True)
