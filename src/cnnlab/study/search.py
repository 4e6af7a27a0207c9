"""Searching for the best setting with Optuna, so that a kill loses nothing.

The next trial is a function of those before it: the sampler is seeded anew for each. Trials that a kill left
running are run again under their own numbers, with their own settings.
"""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from omegaconf import DictConfig
from pydantic import Field

from cnnlab.config.hints import require
from cnnlab.config.ranges import Count, Whole
from cnnlab.errors import UserError, did_you_mean, reason
from cnnlab.extras import extra
from cnnlab.study.space import Dimension, Discrete, Space
from cnnlab.training.checkpoints import Direction
from cnnlab.training.folder import RunFolder

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

DATABASE = "search.db"
PLACE, SPACE, WHY = "folder", "space", "reason"
NO_SETTINGS = ("_target_", "params")  # params are written out before, see cnnlab.config.launching
SECONDS_TO_WAIT = 60  # for another process that is writing


@dataclass(frozen=True)
class SearchSettings:
    """What ``hydra.sweeper`` holds beside its ``_target_``.

    Args:
        sampler: how settings are chosen.
        n_trials: in total, over all starts; None is all points of a grid.
        seed: of the sampler.
        storage: URL of Optuna's storage; None is a SQLite file in the study's folder.
        study_name: in the storage; None is the name of the study's folder.
        pruning: whether trials are given up that are below the median of the others at the same epoch.
        pruning_startup_trials: finished trials before the first is given up.
        pruning_warmup_epochs: epochs of each trial in which it is not given up.
        n_jobs: trials at a time; None is as many as the launcher has processes.
    """

    sampler: Literal["tpe", "random", "grid"] = "tpe"
    n_trials: Count | None = 20
    seed: Annotated[int, Field(ge=0, lt=1 << 31)] = 0
    storage: str | None = None
    study_name: str | None = None
    pruning: bool = True
    pruning_startup_trials: Whole = 5
    pruning_warmup_epochs: Whole = 3
    n_jobs: Count | None = None

    @classmethod
    def read(cls, node: Mapping[str, Any] | DictConfig) -> "SearchSettings":
        """Check what was configured.

        Raises:
            UserError: for a name that is not among them, or a value out of range.
        """
        hints = get_type_hints(cls, include_extras=True)
        known = [one.name for one in fields(cls)]
        values = {str(key): value for key, value in node.items() if key not in NO_SETTINGS}
        for key, value in values.items():
            if key not in known:
                near = did_you_mean(key, known) or f"; there are {', '.join(known)}."
                raise UserError(f"hydra.sweeper.{key}: the search has no such setting{near}")
            require(f"hydra.sweeper.{key}", value, hints[key])
        return cls(**values)

    def total(self, space: Space) -> int:
        """How many trials there are to be in the end.

        Raises:
            UserError: if there is nothing to search, or a grid of something that is not discrete.
        """
        if not space.dimensions:
            raise UserError("hydra/sweeper=search: nothing is varied; say KEY=A,B or KEY=interval(LOW,HIGH).")
        if self.sampler != "grid":
            if self.n_trials is None:
                raise UserError(f"hydra.sweeper.n_trials=null: the sampler {self.sampler} has no end itself.")
            return self.n_trials
        for one in space.dimensions:
            if not isinstance(one, Discrete):
                raise UserError(
                    f"{one.key}: a grid has no interval; say {one.key}=A,B,C, or hydra.sweeper.sampler=tpe."
                )
        points = math.prod(len(one.extremes) for one in space.dimensions)
        return points if self.n_trials is None else min(points, self.n_trials)

    def url(self, folder: Path) -> str:
        """Where Optuna keeps the trials of a study in this folder."""
        return self.storage or f"sqlite:///{(folder / DATABASE).absolute()}"

    def name(self, folder: Path) -> str:
        """Name of the study in its storage."""
        return self.study_name or (folder.absolute().name if self.storage else "search")


@dataclass(frozen=True)
class Trial:
    """One job of a search.

    Args:
        number: from 0, which its folder begins with.
        overrides: all of them.
    """

    number: int
    overrides: list[str]


class Search:
    """A search that lies in a storage, new or taken up again.

    Args:
        settings: of the sweeper.
        space: what is searched.
        folder: of the study.
        direction: whether the least or the most of the followed metric is searched for.
        base: digest of what all trials share.

    Raises:
        UserError: if Optuna is not installed, its storage cannot be opened, or holds another search.
    """

    def __init__(
        self, settings: SearchSettings, space: Space, folder: Path, *, direction: Direction, base: str
    ) -> None:
        self.settings, self.space, self.folder = settings, space, folder
        self.total = settings.total(space)
        optuna = import_optuna()
        self.states = optuna.trial.TrialState
        self.distributions = {one.key: _distribution(one) for one in space.dimensions}
        self.storage = open_storage(settings, folder)
        with _reading(settings, folder):
            self.study: Study = optuna.create_study(
                storage=self.storage,
                study_name=settings.name(folder),
                direction="minimize" if direction == "min" else "maximize",
                load_if_exists=True,
            )
            self._agree(direction, base)
            self._queue_again()

    def ask(self, count: int) -> list[Trial]:
        """The next trials, fewer than ``count`` where the end is near, none at the end."""
        with _reading(self.settings, self.folder):
            known = self.study.get_trials(deepcopy=False)
            waiting = sum(trial.state == self.states.WAITING for trial in known)
            count = min(count, waiting + max(0, self.total - len(known)))
            return sorted((self._ask() for _ in range(count)), key=lambda trial: trial.number)

    def tell(self, trial: Trial, folder: Path | None) -> None:
        """Note what a trial's run folder says; a run that left no finite metric has failed."""
        with _reading(self.settings, self.folder):
            self._tell(trial, (RunFolder(folder).result() if folder is not None else None) or {})

    def _tell(self, trial: Trial, result: Mapping[str, Any]) -> None:
        value = (result.get("val") or {}).get(str(result.get("followed")).removeprefix("val/"))
        if result.get("status") == "pruned":
            self.study.tell(trial.number, state=self.states.PRUNED)
        elif result.get("status") == "finished" and value is not None:
            self.study.tell(trial.number, value)
        else:
            why = result.get("reason") or "it left no finite metric of validation"
            self.storage.set_trial_user_attr(self._id(trial.number), WHY, why)
            self.study.tell(trial.number, state=self.states.FAIL)

    def _ask(self) -> Trial:
        number = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = _sampler(self.settings, number)
        if self.settings.sampler == "grid" and not self._has_waiting():
            self.study.enqueue_trial(next(itertools.islice(self._points(), number, None)))
        asked = self.study.ask(self.distributions)
        self.storage.set_trial_user_attr(self._id(asked.number), PLACE, str(self.folder.absolute()))
        return Trial(asked.number, [*self.space.fixed, *(f"{key}={v}" for key, v in asked.params.items())])

    def _has_waiting(self) -> bool:
        return any(trial.state == self.states.WAITING for trial in self.study.get_trials(deepcopy=False))

    def _points(self) -> Iterator[dict[str, Any]]:
        """All points of a grid."""
        keys = [one.key for one in self.space.dimensions]
        values = [_values(one) for one in self.space.dimensions]
        return (dict(zip(keys, point, strict=True)) for point in itertools.product(*values))

    def _agree(self, direction: Direction, base: str) -> None:
        """Refuse to go on with another search than the storage holds."""
        from optuna.distributions import distribution_to_json

        spaces = {key: distribution_to_json(found) for key, found in self.distributions.items()}
        asked = json.dumps([direction, base, spaces], sort_keys=True)
        if self.study.user_attrs.setdefault(SPACE, asked) != asked:
            raise UserError(
                f"hydra.sweep.dir={self.folder}: another search lies there, of other settings; "
                "the same command goes on with it, and another folder begins anew."
            )
        self.study.set_user_attr(SPACE, asked)

    def _queue_again(self) -> None:
        """Let the trials that a kill left running wait for their turn, with the settings that they had."""
        for trial in self.study.get_trials(deepcopy=False, states=(self.states.RUNNING,)):
            # Those of a storage that several machines share may be running elsewhere.
            if trial.user_attrs.get(PLACE, str(self.folder.absolute())) == str(self.folder.absolute()):
                self.storage.set_trial_state_values(self._id(trial.number), self.states.WAITING)

    def _id(self, number: int) -> int:
        study = self.storage.get_study_id_from_name(self.study.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study, number)


def import_optuna() -> ModuleType:
    """Optuna, without its chatter.

    Raises:
        UserError: if it is not installed.
    """
    optuna: ModuleType = extra("optuna", "search")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_storage(settings: SearchSettings, folder: Path) -> "BaseStorage":
    """Open the storage of a study's trials.

    Raises:
        UserError: if it cannot be.
    """
    optuna, url = import_optuna(), settings.url(folder)
    arguments = {"connect_args": {"timeout": SECONDS_TO_WAIT}} if url.startswith("sqlite") else {}
    with _reading(settings, folder):
        storage: BaseStorage = optuna.storages.RDBStorage(url, engine_kwargs=arguments)
    return storage


@contextmanager
def _reading(settings: SearchSettings, folder: Path) -> Iterator[None]:
    """Say where the trials lie that cannot be read."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever the database's driver raises, or Optuna of what it finds there
        place = "hydra.sweeper.storage" if settings.storage else str(folder / DATABASE)
        raise UserError(f"{place}: the trials of the search cannot be read ({reason(error)}).") from error


def pruner(settings: SearchSettings) -> Any:  # noqa: ANN401 - Optuna may not be there
    """What gives trials up."""
    optuna = import_optuna()
    return optuna.pruners.MedianPruner(
        n_startup_trials=settings.pruning_startup_trials, n_warmup_steps=settings.pruning_warmup_epochs
    )


def _sampler(settings: SearchSettings, number: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler, TPESampler

    # Two numbers below 2^31 are far enough apart for two seeds not to share their trials.
    seed = (settings.seed * 1_000_003 + number) % (1 << 32)
    return TPESampler(seed=seed) if settings.sampler == "tpe" else RandomSampler(seed=seed)


def _distribution(dimension: Dimension) -> "BaseDistribution":
    from optuna import distributions

    if isinstance(dimension, Discrete):
        numbers = _values(dimension)
        if len(numbers) > 2 and isinstance(numbers[0], int):
            return distributions.IntDistribution(numbers[0], numbers[-1], step=numbers[1] - numbers[0])
        return distributions.CategoricalDistribution(dimension.values)
    if dimension.whole:
        return distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _values(dimension: Dimension) -> Sequence[Any]:
    """A discrete setting's values: whole numbers in equal steps as numbers, all else as typed."""
    values = dimension.extremes
    try:
        numbers = [int(value) for value in values]
    except ValueError:
        return values
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    return numbers if len(numbers) > 2 and len(steps) == 1 and min(steps) > 0 else values
