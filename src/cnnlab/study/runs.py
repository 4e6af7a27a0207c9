"""The runs of a study: found by their folders, read for comparing."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from cnnlab.config.written import in_full
from cnnlab.training.folder import CONFIG, RESULT, RunFolder
from cnnlab.training.result import NOT_FINGERPRINTED, as_result

# What counts the repetitions of one setting.
COUNTING = ("seed", "data.fold", "data.split_seed")
FINISHED = "finished"


@dataclass(frozen=True)
class StudyRun:
    """One run as its folder tells it; nothing that the config names is called.

    Args:
        folder: of the run.
        settings: what was computed with, as it would be typed, by dotted keys; without what says where
            things lie or how they are shown.
        told: the overrides as typed.
        result: what ``result.json`` says; empty where the run left none.
    """

    folder: Path
    settings: Mapping[str, str]
    told: tuple[str, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """``finished``, ``failed``, ``interrupted`` or ``pruned``."""
        return str(self.result.get("status", "interrupted"))

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end."""
        return self.status == FINISHED

    @property
    def counted(self) -> tuple[tuple[str, str], ...]:
        """Seed, fold and seed of the split, which pair the runs of two settings."""
        return tuple((key, self.settings[key]) for key in COUNTING if key in self.settings)

    @cached_property
    def history(self) -> Mapping[str, list[float]]:
        """Columns of ``metrics.csv``; empty without one.

        Raises:
            UserError: if it cannot be read.
        """
        return RunFolder(self.folder).history()

    def measure(self, part: str, quantity: str) -> float | None:
        """A metric of the ``val`` or ``test`` part; None where it was not measured."""
        value = (self.result.get(part) or {}).get(quantity)
        return None if value is None else float(value)


def read_run(folder: Path) -> StudyRun:
    """Read one run folder.

    Raises:
        UserError: if one of its files cannot be read.
    """
    place = RunFolder(folder)
    settings = flat(place.settings())
    found = place.result() or {}
    checked = as_result(found, folder / RESULT)
    # A result of before lacks what was added since.
    result = found | {"seconds": checked.seconds, "parameters": checked.parameters} if found else {}
    return StudyRun(folder, settings, tuple(place.overrides()), result)


def flat(settings: Mapping[str, Any] | DictConfig) -> dict[str, str]:
    """Settings by dotted keys, as they would be typed, without what does not change what is computed.

    Examples:
        >>> flat({"model": {"hidden": [16, 8], "l2": 0.1}, "data": {"root": "x", "fold": 0}, "logger": {}})
        {'model.hidden': '[16,8]', 'model.l2': '0.1', 'data.fold': '0'}
    """
    plain = OmegaConf.to_container(settings, resolve=True) if OmegaConf.is_config(settings) else settings
    return dict(_flat(cast(Mapping[str, Any], plain)))


def find_runs(folder: Path) -> list[StudyRun]:
    """All runs in a folder or below it, in the order of their numbers.

    Args:
        folder: of a run, a study, or any folder above such.

    Raises:
        UserError: if one cannot be read.
    """
    return [read_run(one) for one in sorted(_run_folders(folder), key=_by_number)]


def distinct(runs: Sequence[StudyRun]) -> list[StudyRun]:
    """Leave out what is a copy of an earlier run: the same settings that came to the same weights."""
    found: dict[object, StudyRun] = {}
    for run in runs:
        bits = tuple(run.result.get(f"{name}_fingerprint") for name in ("config", "data", "weights"))
        found.setdefault(bits if all(bits) else run.folder, run)
    return list(found.values())


def _run_folders(folder: Path) -> Iterator[Path]:
    if (folder / CONFIG).is_file():
        yield folder
    elif folder.is_dir():
        for below in folder.iterdir():
            if below.is_dir() and not below.is_symlink() and not below.name.startswith("."):
                yield from _run_folders(below)


def _by_number(folder: Path) -> list[tuple[int, str]]:
    """Order of paths in which 10 comes after 9."""
    parts = (re.match(r"(\d*)(.*)", part) for part in folder.parts)
    return [(int(part[1] or -1), part[2]) for part in parts if part]


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        path = f"{prefix}{key}"
        if path in NOT_FINGERPRINTED or path == "data.seed":
            continue
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{path}.")
        else:
            yield path, value if isinstance(value, str) else in_full(value)
