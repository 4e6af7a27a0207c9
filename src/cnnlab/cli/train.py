"""``train``: one run, or with ``-m`` a study of many."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig

from cnnlab.cli.forked import fork_jobs, forked
from cnnlab.cli.isolation import isolated
from cnnlab.cli.job import Task
from cnnlab.cli.study import held, keep_command, study_folder, sum_up, take_up, told_folder
from cnnlab.config import conf
from cnnlab.config.compose import CONFIG_NAME, REFUSALS, compose, expand, parse
from cnnlab.config.explain import explain
from cnnlab.config.launching import WRITTEN_OUT, Launch, compose_job, launched
from cnnlab.config.resolvers import register_resolvers
from cnnlab.errors import UserError, did_you_mean
from cnnlab.study.space import is_search, read_space
from cnnlab.study.stopping import Stopping
from cnnlab.training.interruptions import CODES
from cnnlab.training.process import freeze_once

MISTAKE = 2
FAILURES = ".failures"
# Hydra's flags that would read a config from elsewhere than it was checked.
REFUSED_FLAGS = ("config_name", "config_path", "config_dir", "experimental_rerun")
PARALLEL = "hydra/launcher=joblib"
# Settings that say where things lie, which name no folder.
PLACES = ("data.root", "data.store", "data.path")


def main(words: Sequence[str]) -> int:
    """Check every job's config, then let Hydra run them.

    Args:
        words: what was typed: overrides, and Hydra's own flags.

    Returns:
        0, or 1 if a job of a study failed.

    Raises:
        UserError: for a mistake that can be found before the first job.
    """
    arguments = _parse(words)
    register_resolvers()
    if not _only_shows(arguments):
        if arguments.multirun and PARALLEL in arguments.overrides:
            fork_jobs()  # what they import is there when all checks are done
        launch = launched(arguments.overrides, multirun=arguments.multirun)
        jobs = check_jobs(launch.overrides, multirun=launch.multirun, config=launch.config)
        freeze_once()
        if launch.multirun and jobs:
            return _study(words, arguments, launch, jobs)
    parse(arguments.overrides)  # which a flag's own word is not among
    task = Task(jobs=1)
    code = _call_hydra(task, words, arguments, arguments.overrides)
    if task.error is not None:
        raise task.error
    return code


def _study(
    words: Sequence[str], arguments: argparse.Namespace, launch: Launch, jobs: Sequence[Sequence[str]]
) -> int:
    """Run all jobs in the study's folder, then sum them up and say what failed."""
    folder = study_folder(jobs[0])
    parallel = forked() if PARALLEL in arguments.overrides else nullcontext()
    with held(folder), parallel, _stopped_as_a_whole(folder):
        search = is_search(launch.overrides)
        take_up(folder, arguments.overrides, jobs, naming(jobs), search=search)
        task = Task(number_of_jobs(launch.overrides, jobs, folder), failures=folder / FAILURES)
        keep_command(folder, arguments.overrides)
        try:
            told = [*launch.overrides, *naming(jobs), told_folder(folder), WRITTEN_OUT]
            _call_hydra(task, words, arguments, told)
            failures = task.said()
        finally:
            (folder / FAILURES).unlink(missing_ok=True)
        finished = sum_up(folder)
    for failure in failures:
        print(f"cnnlab: {failure}", file=sys.stderr)
    # A search learns from its failures, too.
    return 1 if failures and not (finished and search) else 0


@contextmanager
def _stopped_as_a_whole(folder: Path) -> Iterator[None]:
    """At a signal let the jobs save their states, and say how to go on."""
    try:
        with Stopping(folder).watched():
            yield
    except SystemExit as error:
        if error.code in CODES.values():
            again = f"the same command with {told_folder(folder)} goes on with it"
            print(f"cnnlab: the study is stopped, its states are in {folder}; {again}.", file=sys.stderr)
        raise


def number_of_jobs(overrides: Sequence[str], jobs: Sequence[Sequence[str]], folder: Path) -> int:
    """How many jobs a study will have; of a search, of which only the corners are known, as asked for.

    Raises:
        UserError: for a search that cannot begin, before anything is written into the study's folder.
    """
    if not is_search(overrides):
        return len(jobs)

    from cnnlab.study.objective import common_objective
    from cnnlab.study.search import SearchSettings, import_optuna, open_storage

    import_optuna()
    common_objective([compose(job) for job in jobs])  # before there is a folder
    settings = SearchSettings.read(compose(jobs[0], with_hydra=True).hydra.sweeper)
    total = settings.total(read_space(overrides))
    if settings.storage is not None:
        open_storage(settings, folder)
    return total


def _call_hydra(
    task: Task, words: Sequence[str], arguments: argparse.Namespace, overrides: Sequence[str]
) -> int:
    """Let Hydra read these overrides with the flags among the words, and call the task."""
    run = hydra.main(config_path=str(conf.conf_dir()), config_name=CONFIG_NAME, version_base="1.3")(task)
    # argparse takes what stands behind a flag for the flag's.
    flags = [word for word in words if word not in arguments.overrides]
    with isolated([*overrides, *flags]):
        try:
            run()
        except SystemExit as error:
            if not _only_shows(arguments):
                raise  # ended by a signal
            return MISTAKE if error.code else 0
        except REFUSALS as error:
            if isinstance(error.__cause__, UserError):  # of a log that cannot be written
                raise error.__cause__ from error
            raise UserError(explain(error, arguments.overrides, compose)) from error
        except BrokenPipeError:  # nobody reads what it shows
            raise
        except OSError as error:  # of Hydra itself, since those of a job are kept
            raise UserError(f"{error.filename}: the folder cannot be made ({error.strerror}).") from error
    return 0


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{' '.join(words)}: {message}; --help shows what can be typed.")

    parser.error = refuse  # type: ignore[method-assign]
    arguments, unknown = parser.parse_known_intermixed_args(list(words))
    if unknown:
        near = did_you_mean(unknown[0], [*parser._option_string_actions, "--version"])
        raise UserError(f"{unknown[0]}: there is no such flag{near or ';'} --help shows what can be typed.")
    for name in REFUSED_FLAGS:
        if getattr(arguments, name) is not None:
            raise UserError(f"--{name.replace('_', '-')}: cnnlab reads its own conf/ only.")
    return arguments


def _only_shows(arguments: argparse.Namespace) -> bool:
    return bool(arguments.cfg or arguments.info or arguments.hydra_help or arguments.shell_completion)


def naming(jobs: Sequence[Sequence[str]]) -> list[str]:
    """Make Hydra name the folders of a study's jobs by what differs between them.

    Examples:
        >>> naming([["model=mlp", "seed=0"], ["model=linear", "seed=0"]])
        ['hydra.job.config.override_dirname.exclude_keys=[data.root,data.store,data.path,seed]']
    """
    # What a single job was told is its name.
    common = set(jobs[0]).intersection(*jobs[1:]) if len(jobs) > 1 else set()
    same = [override.partition("=")[0] for override in jobs[0] if override in common]
    same = [key for key in same if key.replace(".", "").replace("_", "").isalnum() and key not in PLACES]
    return [f"hydra.job.config.override_dirname.exclude_keys=[{','.join([*PLACES, *same])}]"]


def check_jobs(
    overrides: Sequence[str], *, multirun: bool, config: DictConfig | None = None
) -> list[list[str]]:
    """Compose all jobs, check them and build what needs no data, before the first one starts.

    Args:
        overrides: of all of them.
        multirun: whether they are a study.
        config: of a single run, where it is composed already.

    Returns:
        The overrides of each job.

    Raises:
        UserError: for the first mistake; in a study it names the job.
    """
    if multirun and is_search(overrides):
        jobs = read_space(overrides).corners()
    else:
        jobs = expand(overrides) if multirun else [list(overrides)]
    configs = []
    for job in jobs:
        with _named(job, multirun):
            configs.append(compose_job(job) if config is None else config)

    from cnnlab.cli.rehearsal import rehearse  # imports torch, which composing does not need
    from cnnlab.config.check import check

    for act in (check, _one_device, rehearse) if multirun else (check, rehearse):
        for job, cfg in zip(jobs, configs, strict=True):
            with _named(job, multirun):
                act(cfg)
    return jobs


def _one_device(cfg: DictConfig) -> None:
    """Refuse several devices in a study: the processes of a job would each start the study anew."""
    devices = cfg.trainer.get("devices", "auto")
    if devices not in (1, "auto") or "ddp" in str(cfg.trainer.get("strategy")):
        raise UserError(f"trainer.devices={devices}: several devices do not go with -m.")


@contextmanager
def _named(job: Sequence[str], multirun: bool) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        if not multirun:
            raise
        raise UserError(f"{error} (in the job {' '.join(job)})") from error
