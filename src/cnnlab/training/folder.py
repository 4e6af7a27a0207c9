"""The run folder: the only thing that a run leaves, and enough by itself to go on from."""

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from cnnlab.config.check import check
from cnnlab.errors import UserError, reason
from cnnlab.files import write_text

CONFIG, OVERRIDES, RESULT = "config.yaml", "overrides.yaml", "result.json"
TENSORBOARD = "tensorboard"
CHECKPOINTS, BEST, LAST = "checkpoints", "best.ckpt", "last.ckpt"
PREDICTIONS, METRICS, FIGURES = "predictions.h5", "metrics.csv", "figures"


@dataclass(frozen=True)
class RunFolder:
    """Where a run's things lie, and what its config and result say.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / CHECKPOINTS

    @property
    def best(self) -> Path:
        """Checkpoint of the best epoch by validation; there is none where none was chosen."""
        return self.checkpoints / BEST

    @property
    def last(self) -> Path:
        """Checkpoint of the latest state."""
        return self.checkpoints / LAST

    def figure(self, name: str) -> Path:
        """Where the figure of this name lies.

        Examples:
            >>> RunFolder(Path("run")).figure("learning curves").as_posix()
            'run/figures/learning_curves.png'
        """
        return self.path / FIGURES / file_name(name)

    def write_config(self, cfg: DictConfig, told: Sequence[str]) -> None:
        """Keep the config as composed, with every interpolation resolved, and what was typed."""
        plain = {key: value for key, value in cfg.items() if key != "hydra"}
        text = OmegaConf.to_yaml(OmegaConf.create(plain, parent=None), resolve=True)
        write_text(self.path / CONFIG, text)
        write_text(self.path / OVERRIDES, OmegaConf.to_yaml(list(told)))

    def clear(self) -> None:
        """Remove what an earlier run left that would be taken for parts of a new one."""
        for name in (RESULT, METRICS):
            (self.path / name).unlink(missing_ok=True)
        for name in (CHECKPOINTS, TENSORBOARD):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def config(self) -> DictConfig:
        """Read the run's config, checked as one that was typed is.

        Raises:
            UserError: if this is no run folder, or its config holds what cnnlab would not call.
        """
        cfg = self._yaml(CONFIG)
        if not isinstance(cfg, DictConfig):
            raise UserError(f"{self.path / CONFIG}: not the config of a run.")
        check(cfg)
        return cfg

    def settings(self) -> dict[str, Any]:
        """The config as plain values, to be looked at only: what it names is neither checked nor called.

        Raises:
            UserError: if this is no run folder, or its config cannot be read.
        """
        found = OmegaConf.to_container(self._yaml(CONFIG))
        if not isinstance(found, dict):
            raise UserError(f"{self.path / CONFIG}: not the config of a run.")
        return {str(key): value for key, value in found.items()}

    def overrides(self) -> list[str]:
        """What was typed for this run."""
        return [str(override) for override in self._yaml(OVERRIDES)]

    def result(self) -> dict[str, Any] | None:
        """What ``result.json`` says; None where there is none yet.

        Raises:
            UserError: if the file cannot be read.
        """
        path = self.path / RESULT
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: not the result of a run ({reason(error)}).") from error
        return found

    def history(self) -> dict[str, list[float]]:
        """Columns of ``metrics.csv``; what is missing in an epoch is NaN. Empty where there is no such file.

        Raises:
            UserError: if it cannot be read.
        """
        path = self.path / METRICS
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            return {key: [float(row[key] or "nan") for row in rows] for key in (rows[0] if rows else ())}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise UserError(f"{path}: not the metrics of a run ({reason(error)}).") from error

    def _yaml(self, name: str) -> Any:  # noqa: ANN401 - a mapping or a list
        path = self.path / name
        try:
            text = path.read_text(encoding="utf-8")
            # A resolved config has none, and a stranger's could ask for the environment.
            if "${" in text:
                raise UserError(f"{path}: a run's config holds no interpolation (${{...}}).")
            return OmegaConf.create(text)
        except FileNotFoundError as error:
            raise UserError(f"{self.path}: not a run folder, it has no {name}.") from error
        except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
            raise UserError(f"{path}: cannot be read ({reason(error)}).") from error


def file_name(figure: str) -> str:
    """Name of the file of a figure.

    Examples:
        >>> file_name("learning curves")
        'learning_curves.png'
    """
    return f"{figure.replace(' ', '_')}.png"
