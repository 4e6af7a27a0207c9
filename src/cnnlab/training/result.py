"""What a run leaves behind as numbers: result.json, predictions.h5, and what they were made with."""

import functools
import hashlib
import inspect
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

import h5py
import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from pydantic import TypeAdapter, ValidationError

from cnnlab.config.targets import locate
from cnnlab.errors import UserError, reason
from cnnlab.files import replacing, write_json
from cnnlab.sealed import create, open_sealed, seal

PACKAGES = ("cnnlab", "torch", "torchvision", "pytorch-lightning", "hydra-core", "torchmetrics", "numpy")
Status = Literal["finished", "failed", "interrupted", "pruned"]
# Settings that say where things lie or how they are kept and shown, not what is computed.
NOT_FINGERPRINTED = (
    *("data.root", "data.store", "data.memory", "data.verify", "data.watch_test"),
    *("callbacks.checkpoint.every_seconds", "logger", "hydra"),
)
# Settings without a callable, at what they were before they could be set.
NEUTRAL = {"callbacks": {"on_nan": "stop"}}


@dataclass
class Result:
    """The content of ``result.json``; epochs are counted from 1."""

    status: Status = "failed"
    reason: str | None = None
    val: dict[str, float] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)
    followed: str | None = None
    best_epoch: int | None = None
    epochs: int = 0
    seconds: float = 0.0
    samples_per_second: float | None = None
    parameters: int = 0
    parameters_trained: int = 0
    samples: dict[str, int] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    steps_left_out: int = 0
    failure: dict[str, Any] | None = None
    seed: int = 0
    device: str | None = None
    precision: str | None = None
    config_fingerprint: str = ""
    data_fingerprint: str | None = None
    weights_fingerprint: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    git: dict[str, str | bool] | None = None

    def write(self, path: Path) -> None:
        """Write the JSON file, whole or not at all; numbers that JSON lacks become null."""
        write_json(path, asdict(self), indent=2)


def as_result(found: Mapping[str, Any], where: Path) -> Result:
    """What a ``result.json`` says, of the right types; numbers that JSON lacks are NaN again.

    Args:
        found: the file's content; empty is that of a run that was interrupted.
        where: the file, for messages.

    Raises:
        UserError: if something else stands there.
    """
    said = dict(found) or {"status": "interrupted", "reason": None}
    for part in ("val", "test"):
        if isinstance(said.get(part), dict):
            said[part] = {key: math.nan if v is None else v for key, v in said[part].items()}
    try:
        return TypeAdapter(Result).validate_python(said, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"{where}: not the result of a run ({key}: {first['msg']}).") from error


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    return {"python": sys.version.split()[0]} | {name: version(name) for name in PACKAGES}


def git_state() -> dict[str, str | bool] | None:
    """Commit of the checkout that cnnlab runs from, and whether it is changed; None elsewhere."""
    here = Path(__file__).resolve().parents[3]
    if not (here / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()  # noqa: S603

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def config_fingerprint(cfg: DictConfig) -> str:
    """Digest of all settings that change what is computed: equal for two runs of the same experiment.

    A setting at its callable's default says nothing new, so that one that cnnlab gains changes no digest.
    """
    plain = cast(dict[str, Any], _without_defaults("", OmegaConf.to_container(cfg, resolve=True)))
    for key in NOT_FINGERPRINTED:
        *path, last = key.split(".")
        functools.reduce(lambda node, part: node.get(part, {}), path, plain).pop(last, None)
    for group, settings in NEUTRAL.items():
        node = plain.get(group, {})
        plain[group] = {key: value for key, value in node.items() if settings.get(key) != value}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def _without_defaults(path: str, node: Any) -> Any:  # noqa: ANN401 - a node of a config
    if not isinstance(node, dict):
        return node
    inner = {key: _without_defaults(f"{path}.{key}".lstrip("."), value) for key, value in node.items()}
    if "_target_" not in inner or path.startswith("hydra"):
        return inner
    parameters = inspect.signature(locate(path, inner["_target_"])).parameters
    return {
        key: value
        for key, value in inner.items()
        if key not in parameters or _plain(parameters[key].default) != value
    }


def _plain(default: Any) -> Any:  # noqa: ANN401
    """A default as YAML would say it."""
    return list(default) if isinstance(default, tuple) else default


def write_predictions(
    path: Path,
    *,
    targets: NDArray[Any],
    outputs: NDArray[np.float32],
    rows: NDArray[np.int64],
    class_names: tuple[str, ...],
) -> None:
    """Write what the network said of the test set.

    Args:
        path: the HDF5 file.
        targets: int64 classes ``(n,)``, float32 values ``(n, outputs)`` or uint8 images
            ``(n, channels, height, width)``.
        outputs: probabilities ``(n, classes)``, or values, or brightness from 0 to 1, shaped as the targets.
        rows: row of each sample in the stored split that the test set is taken from ``(n,)``.
        class_names: names of the classes; none where the targets are not classes.
    """
    with replacing(path) as temporary:
        with create(temporary) as file:
            file["targets"], file["outputs"], file["rows"] = targets, outputs, rows
            file["class_names"] = np.array(class_names, dtype=h5py.string_dtype())
        seal(temporary, {})


def read_predictions(path: Path) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Read targets and outputs, as :func:`write_predictions` has them.

    Raises:
        UserError: if there are none, or they are damaged.
    """
    try:
        arrays = open_sealed(path).arrays
        targets, outputs = arrays["targets"].read(), arrays["outputs"].read()
        if outputs.dtype != np.float32 or len(targets) != len(outputs):
            raise ValueError("targets and outputs do not fit each other")
    except FileNotFoundError as error:
        raise UserError(
            f"{path.parent}: this run has not come to its test, there is no {path.name}."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the predictions of a run ({reason(error)}).") from error
    return targets, outputs
