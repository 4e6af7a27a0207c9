"""What was set: the options and values in which a run is not what cnnlab does by itself."""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from cnnlab.config.choices import choices, options_typed
from cnnlab.config.conf import HYDRA
from cnnlab.config.conf import groups as config_groups
from cnnlab.study.groups import MISSING, base
from cnnlab.study.runs import StudyRun

HEAD = ("setting", "here", "default")
EXPERIMENT = "experiment"


class Setting(NamedTuple):
    """A setting that is not at its default."""

    key: str
    here: str
    default: str


def chosen(run: StudyRun) -> dict[str, str]:
    """The option of each config group of a run, also where an experiment has chosen it."""
    known = config_groups()
    found = choices(options_typed(run.told))
    return {key: found[key] for key in known if not key.startswith(HYDRA) and found.get(key) in known[key]}


def differing(run: StudyRun) -> list[Setting]:
    """Options that are not those of an empty command line, then values that are not those of the options."""
    options = chosen(run)
    defaults = choices(())
    shown = [
        Setting(key, option, MISSING if key == EXPERIMENT else defaults.get(key, MISSING))
        for key, option in options.items()
        if option != defaults.get(key)
    ]
    plain = base(tuple(f"{key}={option}" for key, option in options.items() if key != EXPERIMENT))
    values = [
        Setting(key, value, plain.get(key, MISSING))
        for key, value in run.settings.items()
        if value != plain.get(key)
    ]
    return [*shown, *values]


def common(runs: Sequence[StudyRun]) -> list[Setting]:
    """What differs from the defaults in all runs alike."""
    first, *others = (differing(run) for run in runs)
    return [setting for setting in first if all(setting in other for other in others)]


def typed(*words: str) -> str:
    """The line that a shell takes.

    Examples:
        >>> typed("-m", "model=mlp,linear", "data.path=my file.csv")
        "python -m cnnlab -m model=mlp,linear 'data.path=my file.csv'"
    """
    return shlex.join(["python", "-m", "cnnlab", *words])
