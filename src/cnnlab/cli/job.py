"""One job that Hydra runs: a run of its own, or one of a study, in this process or another."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from cnnlab.cli.isolation import said_into
from cnnlab.config.allowing import allow_only, of_the_user
from cnnlab.config.resolvers import register_resolvers
from cnnlab.errors import LONGEST_SENTENCE, Pruned, TrainingError, UserError
from cnnlab.study.stopping import Stopping, outlive_signals

if TYPE_CHECKING:
    from pytorch_lightning import Callback

    from cnnlab.training.result import Result
    from cnnlab.training.resuming import Start

IN_THIS_PROCESS = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
SEARCH = "hydra_plugins.cnnlab_search.SearchSweeper"
log = logging.getLogger("cnnlab")


@dataclass
class Task:
    """What Hydra calls with each job's config, also in other processes.

    Args:
        jobs: how many the study has.
        failures: where a study's failures are noted, for the process that started it.
        error: what a single run ended with.
        allowed: names of the user's own that may be called.
        folder: where it was typed.
    """

    jobs: int
    failures: Path | None = None
    error: Exception | None = field(default=None, init=False)
    allowed: tuple[str, ...] = field(default_factory=of_the_user, init=False)
    folder: Path = field(default_factory=Path.cwd, init=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive in another process, where Hydra has a folder to name before it calls."""
        self.__dict__.update(state)
        os.chdir(self.folder)
        allow_only(self.allowed)
        register_resolvers()

    def __call__(self, cfg: DictConfig) -> float | None:
        """Run one job; what it raises is kept, since Hydra would print it in its own way."""
        elsewhere = _is_elsewhere()
        if elsewhere:
            outlive_signals()
        try:
            return run_job(cfg, self.jobs)
        except SystemExit:
            if not elsewhere:
                raise
            # Asked to stop, the study itself ends with the signal's code, when all jobs have ended.
            state = HydraConfig.get()
            if Stopping(Path(state.sweep.dir)).asked is None:
                self._note(f"job {state.job.num + 1}/{self.jobs} was ended by a signal")
            return None
        except Pruned as error:
            print(f"job {HydraConfig.get().job.num + 1}/{self.jobs}: {error}", flush=True)
            return None
        except Exception as error:
            if self.failures is None:
                self.error = error
            else:
                self._note(str(error))
            return None

    def _note(self, failure: str) -> None:
        if self.failures is not None:
            with self.failures.open("a", encoding="utf-8") as file:
                file.write(json.dumps(failure) + "\n")

    def said(self) -> list[str]:
        """What the failed jobs of a study said."""
        if self.failures is None or not self.failures.exists():
            return []
        return [json.loads(line) for line in self.failures.read_text(encoding="utf-8").splitlines()]


def run_job(cfg: DictConfig, jobs: int) -> float | None:
    """Run one job in the folder that Hydra gives it; in a study pass over what is finished.

    Args:
        cfg: the job's config.
        jobs: how many the study has.

    Returns:
        Validation's monitored metric, for sweepers that optimise.

    Raises:
        TrainingError: if a job of a study fails, for whatever reason; it names the job.
    """
    from cnnlab.training.folder import RunFolder
    from cnnlab.training.result import config_fingerprint
    from cnnlab.training.resuming import left_before

    state = HydraConfig.get()
    folder = Path(state.runtime.output_dir)
    if state.mode != RunMode.MULTIRUN:
        return followed(_run(cfg, folder, None))
    Stopping(Path(state.sweep.dir)).end_if_asked()
    number = f"job {state.job.num + 1}/{jobs}"
    place = RunFolder(folder)
    place.require_plain()
    before, start = left_before(cfg, place)
    if before is not None:
        print(f"{number}: finished before, in {folder}", flush=True)
        return followed(before)
    on = "" if start is None or start.path is None else f" (goes on from step {start.step})"
    print(f"{number}: {' '.join(state.overrides.task)}{on}", flush=True)
    try:
        if start is None:
            place.make_room(again=config_fingerprint(cfg))
        if not _is_elsewhere():
            return followed(_run(cfg, folder, start))
        with one_of_several(folder):
            result = _run(cfg, folder, start)
    except Pruned:
        raise
    except Exception as error:
        expected = isinstance(error, (UserError, TrainingError))
        sentence = str(error) if expected else f"{type(error).__name__}: {error}"
        said, where = f"{number} failed: {sentence.rstrip('.')}", f". Its folder is {folder}"
        # Of a long sentence the middle is left out; the reason is not to be in it.
        raise TrainingError(said + where if len(said + where) <= LONGEST_SENTENCE else said) from error
    tested = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in result.test.items())
    print(f"{number} finished in {result.seconds:.1f} s: test {tested}", flush=True)
    return followed(result)


def _is_elsewhere() -> bool:
    """Whether this is a process that a launcher made for a study's jobs."""
    state = HydraConfig.get()
    return state.mode == RunMode.MULTIRUN and state.launcher._target_ != IN_THIS_PROCESS


def _run(cfg: DictConfig, folder: Path, start: "Start | None") -> "Result":
    state = HydraConfig.get()
    told = list(state.overrides.task)
    # See cnnlab.cli.train.naming: of a study's jobs this is what they have in common.
    common = state.job.config.override_dirname.exclude_keys if state.mode == RunMode.MULTIRUN else ()
    log.info("started: %s", " ".join(told) or "without overrides")

    from cnnlab.cli.ending import ended
    from cnnlab.training.run import run

    return ended(
        lambda: run(cfg, folder, told=told, common=common, start=start, callbacks=_of_a_search()), folder
    )


def _of_a_search() -> "list[Callback]":
    """The callback that ends hopeless trials of a search; none elsewhere."""
    state = HydraConfig.get()
    if state.mode != RunMode.MULTIRUN or state.sweeper._target_ != SEARCH:
        return []

    from cnnlab.study.pruning import Pruning
    from cnnlab.study.search import SearchSettings

    settings = SearchSettings.read(state.sweeper)
    return [Pruning(settings, Path(state.sweep.dir), state.job.num)] if settings.pruning else []


def followed(result: "Result") -> float | None:
    """Validation's monitored metric."""
    return result.val.get((result.followed or "").removeprefix("val/"))


@contextmanager
def one_of_several(folder: Path) -> Iterator[None]:
    """Use one thread beside the other jobs, say all into ``screen.log``, and stop with the study."""
    import torch

    torch.set_num_threads(1)
    study = Stopping(Path(HydraConfig.get().sweep.dir))
    with study.passed_on(), said_into(folder / "screen.log"):
        yield
