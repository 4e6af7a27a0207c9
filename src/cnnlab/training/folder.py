"""The run folder: the only thing that a run leaves, and enough by itself to go on from."""

import contextlib
import csv
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
from lightning_utilities.core.rank_zero import rank_zero_only
from omegaconf import DictConfig, ListConfig, OmegaConf

from cnnlab.data.input_format import InputFormat
from cnnlab.errors import UserError, reason
from cnnlab.files import write_text
from cnnlab.training.config_text import checked_config, parsed_yaml, plain_text
from cnnlab.training.metrics_csv import as_columns, read_rows

CONFIG, OVERRIDES, RESULT, DATA = "config.yaml", "overrides.yaml", "result.json", "data.json"
LOCK, TENSORBOARD = ".lock", "tensorboard"
CHECKPOINTS, BEST, LAST, PREVIOUS = "checkpoints", "best.ckpt", "last.ckpt", "previous.ckpt"
PREDICTIONS, METRICS, FIGURES = "predictions.h5", "metrics.csv", "figures"
REPORT = "report.html"
LOG, SCREEN = "cnnlab.log", "screen.log"
# Whatever a run or a study writes, or Hydra for it, by its name in the folder.
_FILES = (
    *(CONFIG, OVERRIDES, RESULT, DATA, LOCK, PREDICTIONS, METRICS, REPORT, LOG, SCREEN),
    *("search.db", "multirun.yaml", ".failures"),
)
_FOLDERS = (CHECKPOINTS, TENSORBOARD, FIGURES)


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

    @property
    def previous(self) -> Path:
        """Checkpoint of the state before the latest, until the run is finished."""
        return self.checkpoints / PREVIOUS

    @property
    def weights(self) -> Path:
        """Checkpoint of the weights that the test was done with: the best epoch's, else the last one's.

        Raises:
            UserError: if the run has kept none.
        """
        found = self.best if self.best.exists() else self.last
        if not found.exists():
            place = found.relative_to(self.path)
            raise UserError(f"{self.path}: this run has kept no weights, there is no {place}.")
        return found

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, and keep other processes from training in it.

        Raises:
            UserError: if another process does so already, or a part of the folder leads out of it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.require_plain()
        if getattr(rank_zero_only, "rank", 0) != 0:  # of several processes of one run the first holds it
            yield
            return
        lock = filelock.FileLock(self.path / LOCK, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise UserError(f"{self.path}: another process is training this run.") from error
        try:
            yield
        finally:
            lock.release()

    def require_plain(self) -> None:
        """Refuse to write into a folder of which a part leads elsewhere: a stranger's may hold links.

        Raises:
            UserError: if something that is written there is a link, or neither a file nor a folder.
        """
        jobs = self.path.glob("[0-9]*_*")  # of a study
        below = (
            Path(folder) / name
            for part in _FOLDERS
            for folder, folders, files in os.walk(self.path / part)
            for name in (*folders, *files)
        )
        tops = (self.path / name for name in (*_FILES, *_FOLDERS))
        for path in (*tops, *jobs, *below):
            try:
                mode = path.lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):  # or renamed meanwhile
                continue
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                what = "a link" if stat.S_ISLNK(mode) else "neither a file nor a folder"
                raise UserError(f"{path}: it is {what}; nothing is written into such a run folder.")
            if path.name in _FILES and path.parent == self.path and stat.S_ISDIR(mode):
                raise UserError(f"{path}: it is a folder, where a file is to be written.")

    def write_config(self, cfg: DictConfig, told: Sequence[str]) -> None:
        """Keep the config as composed, with every interpolation resolved, and what was typed."""
        plain = {key: value for key, value in cfg.items() if key != "hydra"}
        text = OmegaConf.to_yaml(OmegaConf.create(plain, parent=None), resolve=True)
        write_text(self.path / CONFIG, text)
        write_text(self.path / OVERRIDES, OmegaConf.to_yaml(list(told)))

    @property
    def is_finished(self) -> bool:
        """Whether a result says so; what cannot be read does not."""
        return self._said().get("status") == "finished"

    def _said(self) -> dict[str, Any]:
        """What the result says; nothing where there is none, or none that can be read."""
        try:
            return self.result() or {}
        except UserError:
            return {}

    def make_room(self, again: str | None = None) -> None:
        """Remove what a run left that failed before it had anything to lose.

        Args:
            again: fingerprint of a config, of which a failed run is removed whatever it has.

        Raises:
            UserError: if there is a run that has a result or a state, which a new one would destroy.
        """
        found = self._said()
        failed_once = found.get("status") in _WITHOUT_RESULT and found.get("config_fingerprint") == again
        if found.get("status") == "finished" or (any(self.checkpoints.glob("*.ckpt")) and not failed_once):
            raise UserError(
                f"{self.path}: there is a run in this folder already. `resume {self.path}` goes on with it; "
                "a new one needs another folder."
            )
        self.clear()

    def clear(self) -> None:
        """Remove what an earlier run left that would be taken for parts of a new one."""
        for name in (RESULT, METRICS, REPORT, PREDICTIONS, DATA):
            (self.path / name).unlink(missing_ok=True)
        for name in (CHECKPOINTS, TENSORBOARD, FIGURES):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def config(self) -> DictConfig:
        """Read the run's config, checked as one that was typed is.

        Raises:
            UserError: if this is no run folder, or its config holds what cnnlab would not call.
        """
        return checked_config(self._yaml(CONFIG), self.path / CONFIG)

    def settings(self) -> dict[str, Any]:
        """The config as plain values, to be looked at only: what it names is neither checked nor called.

        Raises:
            UserError: if this is no run folder, or its config cannot be read.
        """
        found = OmegaConf.to_container(self._yaml(CONFIG))
        if not isinstance(found, dict):
            raise UserError(f"{self.path / CONFIG}: not the config of a run.")
        return {str(key): value for key, value in found.items()}

    def write_input_format(self, form: InputFormat) -> None:
        """Keep what the network's raw samples look like, so that it is used without the data set."""
        write_text(self.path / DATA, form.as_json())

    def input_format(self) -> InputFormat:
        """What the network's raw samples look like.

        Raises:
            UserError: if the run never came to its data, or the file cannot be read.
        """
        path = self.path / DATA
        try:
            return InputFormat.from_json(plain_text(path))
        except FileNotFoundError as error:
            raise UserError(
                f"{self.path}: the run has no {DATA}; it ended before its data was read."
            ) from error
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read ({reason(error)}).") from error

    def overrides(self) -> list[str]:
        """What was typed for this run."""
        found = self._yaml(OVERRIDES)
        if not isinstance(found, ListConfig) or not all(isinstance(word, str) for word in found):
            raise UserError(f"{self.path / OVERRIDES}: not the overrides of a run.")
        return list(found)

    def result(self) -> dict[str, Any] | None:
        """What ``result.json`` says; None where there is none yet.

        Raises:
            UserError: if the file cannot be read.
        """
        path = self.path / RESULT
        try:
            found = json.loads(plain_text(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{path}: not the result of a run ({reason(error)}).") from error
        if not isinstance(found, dict):
            raise UserError(f"{path}: not the result of a run.")
        return found

    def history(self) -> dict[str, list[float]]:
        """Columns of ``metrics.csv``; what is missing in an epoch is NaN. Empty where there is no such file.

        Raises:
            UserError: if it cannot be read.
        """
        path = self.path / METRICS
        try:
            found = as_columns(read_rows(path))
            if found and "epoch" not in found:
                raise ValueError("there is no column epoch")
            return found
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise UserError(f"{path}: not the metrics of a run ({reason(error)}).") from error

    def _instead(self) -> str:
        """What a folder without a config is: that of a study has runs below it."""
        runs = sorted(path.parent.name for path in self.path.glob(f"*/{CONFIG}"))
        return f"it holds the runs of a study: {self.path / runs[0]}, say" if runs else ""

    def _yaml(self, name: str) -> Any:  # noqa: ANN401 - a mapping or a list
        path = self.path / name
        try:
            return parsed_yaml(plain_text(path), path)
        except FileNotFoundError as error:
            raise UserError(
                f"{self.path}: not a run folder, {self._instead() or f'it has no {name}'}."
            ) from error
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read ({reason(error)}).") from error


def folder_of_figures(run: Path, asked: Path | None) -> Path:
    """Where figures of a run are to be written: where it was asked for, else into the run folder.

    Raises:
        UserError: if a part of the run folder leads out of it.
    """
    if asked is None:
        RunFolder(run).require_plain()
    return asked or run / FIGURES


def file_name(figure: str) -> str:
    """Name of the file of a figure.

    Examples:
        >>> file_name("learning curves")
        'learning_curves.png'
    """
    return f"{figure.replace(' ', '_')}.png"


_WITHOUT_RESULT = ("failed", "pruned")
