"""Export to one HDF5 file that training goes on from, and back to a run folder.

Other programs read it as plain HDF5: ``weights`` has a group for each layer, ``preprocessing`` the fitted
numbers, ``optimizer`` the optimiser's state by the names of the weights, and the attributes say config, class
names and epoch. cnnlab itself reads it by its seal, see :mod:`cnnlab.sealed`.
"""

import json
import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.errors import UserError, reason
from cnnlab.export.about import About
from cnnlab.export.containers import flatten, unflatten
from cnnlab.export.predictor import Predictor
from cnnlab.files import replacing
from cnnlab.models.module import NetworkModule
from cnnlab.sealed import BrokenSeal, create, open_sealed, seal
from cnnlab.training.checkpoint_files import read_checkpoint, read_weights
from cnnlab.training.folder import BEST, CHECKPOINTS, CONFIG, DATA, LAST, OVERRIDES, RESULT, RunFolder
from cnnlab.training.restored import network_of, restore_network

FORMAT = 1
METRICS = "metrics.csv"
KEPT_FILES = (OVERRIDES, METRICS, RESULT)
STATE, WEIGHTS, OPTIMIZER = "training/state", "weights", "optimizer"
CHOSEN = "chosen_by_validation"


def write(run: Path, file: Path) -> None:
    """Write a run's network, and all that its training goes on from.

    Raises:
        UserError: if this is no run folder, or its weights were not kept.
    """
    place = RunFolder(run)
    form, module = restore_network(run)
    about = About.of(place, module, form, read_weights(place.weights)[1]).as_texts()
    arrays = {_place(WEIGHTS, name): tensor.numpy() for name, tensor in module.state_dict().items()}
    arrays[DATA] = _bytes(about.pop("data"))
    if place.last.exists():
        state, tensors = flatten(read_checkpoint(place.last), _Names(module))
        arrays |= {name: tensor.numpy() for name, tensor in tensors.items()}
        arrays[STATE] = _bytes(json.dumps(state))
    for name in KEPT_FILES:
        if (kept := run / name).exists():
            arrays[f"files/{name}"] = np.frombuffer(kept.read_bytes(), np.uint8)
    fitted = _place(WEIGHTS, "preprocess")
    with replacing(file) as temporary:
        with create(temporary) as opened:
            for name, array in arrays.items():
                opened[name] = array
            if fitted in opened:
                opened["preprocessing"] = opened[fitted]
        seal(temporary, {"format": FORMAT, CHOSEN: place.best.exists()} | about)


def load(file: Path) -> Predictor:
    """Load a file that :func:`write` wrote, to predict.

    Raises:
        UserError: if it is damaged or another's.
    """
    opened = _Opened(file)
    form, weights = opened.about.form, opened.weights()
    return Predictor.of(form, network_of(opened.about.checked_config(file), form.spec, weights, file))


def restore(file: Path, folder: Path) -> RunFolder:
    """Make a run folder of a file that :func:`write` wrote, from which the training goes on.

    Config, checkpoints, result and the rows of ``metrics.csv`` are the run's; TensorBoard's files, figures
    and predictions are not in the file.

    Args:
        file: the export.
        folder: the run folder to make; it must not be there yet.

    Raises:
        UserError: if the file is damaged or another's, holds no state of a training, or the folder is there.
    """
    opened = _Opened(file)
    opened.about.checked_config(file)
    if folder.exists():
        raise UserError(f"{folder}: it is there already; resume it, or move it away before {file}.")
    last = opened.last_state()
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        (making / CHECKPOINTS).mkdir(parents=True)
        (making / CONFIG).write_text(opened.about.config, encoding="utf-8")
        (making / DATA).write_text(opened.about.form.as_json(), encoding="utf-8")
        for name in KEPT_FILES:
            if f"files/{name}" in opened.arrays:
                (making / name).write_bytes(opened.arrays[f"files/{name}"].tobytes())
        torch.save(last, making / CHECKPOINTS / LAST)
        if opened.has_best:
            best = {"state_dict": opened.weights(), "epoch": opened.about.epoch - 1}
            torch.save(best, making / CHECKPOINTS / BEST)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return RunFolder(folder)


class _Opened:
    """What an export holds, read by its seal.

    Args:
        file: the export.

    Raises:
        UserError: if it is damaged or another's.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            sealed = open_sealed(file)
            self.arrays = {name: array.read() for name, array in sealed.arrays.items()}
            texts = {name: value for name, value in sealed.about.items() if isinstance(value, str)}
            texts[DATA.removesuffix(".json")] = _text(self.arrays[DATA])
            self.has_best = bool(sealed.about[CHOSEN])
        except (BrokenSeal, OSError, KeyError, UnicodeDecodeError) as error:
            raise UserError(f"{file}: not a network that cnnlab exported ({reason(error)}).") from error
        self.about = About.from_texts(texts, file)

    def weights(self) -> dict[str, Tensor]:
        """The weights of the test, by their names."""
        begin = f"{WEIGHTS}/"
        return {
            name.removeprefix(begin).replace("/", "."): torch.from_numpy(array)
            for name, array in self.arrays.items()
            if name.startswith(begin)
        }

    def last_state(self) -> dict[str, Any]:
        """The checkpoint that the training goes on from.

        Raises:
            UserError: if there is none, or it cannot be read.
        """
        if STATE not in self.arrays:
            raise UserError(f"{self.file}: it holds no state of a training to go on from.")
        tensors = {name: torch.from_numpy(array) for name, array in self.arrays.items()}
        try:
            state = unflatten(json.loads(_text(self.arrays[STATE])), tensors)
            if not isinstance(state, dict) or "state_dict" not in state:
                raise ValueError("it is no checkpoint")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UserError(f"{self.file}: its training cannot be gone on with ({reason(error)}).") from error
        return state


class _Names:
    """Where a checkpoint's tensors lie in the file: the optimiser's under the names of the weights.

    Args:
        module: whose optimiser it is.
    """

    def __init__(self, module: NetworkModule) -> None:
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        groups = module.configure_optimizer().param_groups if module.make_optimizer else []
        self.parameters = [names[id(parameter)] for group in groups for parameter in group["params"]]

    def __call__(self, path: tuple[str, ...]) -> str:
        """Name of the tensor at a path."""
        match path:
            case ("state_dict", name):
                return _place("training/weights", name)
            case ("optimizer_states", "0", "state", number, name):
                return f"{_place(OPTIMIZER, self.parameters[int(number)])}/{name}"
        return "/".join(("training", *(part.replace("/", " ") for part in path)))


def _place(group: str, name: str) -> str:
    """Where a named weight lies: each part of its name is a group.

    Examples:
        >>> _place("weights", "network.features.conv1.weight")
        'weights/network/features/conv1/weight'
    """
    return f"{group}/{name.replace('.', '/')}"


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _text(array: NDArray[Any]) -> str:
    return array.tobytes().decode()
