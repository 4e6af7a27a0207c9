"""A run's figures once more, from its folder."""

from collections.abc import Sequence
from pathlib import Path

import torch

from cnnlab.errors import UserError
from cnnlab.training.folder import PREDICTIONS, RunFolder
from cnnlab.training.pictures import Outcome, title_of
from cnnlab.training.restored import restore
from cnnlab.training.result import read_predictions


def outcome_of(path: Path, chosen: Sequence[int] = ()) -> Outcome:
    """Read what a finished run has to show.

    Its data is looked for when a figure needs samples.

    Args:
        path: the run folder.
        chosen: positions in the test set of the images whose responses are drawn.

    Raises:
        UserError: if this is no run folder, or the run has not come to its test.
    """
    place = RunFolder(path)
    cfg = place.config()
    data, model = restore(path)
    targets, outputs = map(torch.from_numpy, read_predictions(path / PREDICTIONS))
    if targets.shape[1:] != outputs.shape[1:] and (outputs.ndim, outputs.shape[1:]) != (
        2,
        (data.spec.outputs,),
    ):
        raise UserError(f"{path / PREDICTIONS}: not the predictions of this network.")
    for position in chosen:
        if not 0 <= position < len(targets):
            raise UserError(f"--test {position}: the test set has the images 0 to {len(targets) - 1}.")
    best = (place.result() or {}).get("best_epoch")
    title = title_of(model, cfg, place.overrides())
    return Outcome(data, model, targets, outputs, place.history(), best, title, tuple(chosen))
