"""``train``: one run, or with ``-m`` a study of many."""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from cnnlab.cli.isolation import isolated
from cnnlab.config import conf
from cnnlab.config.compose import CONFIG_NAME, REFUSALS, compose, expand
from cnnlab.config.explain import explain
from cnnlab.config.launching import compose_job
from cnnlab.config.resolvers import register_resolvers
from cnnlab.errors import TrainingError, UserError, did_you_mean

MISTAKE = 2
# Hydra's flags that would read a config from elsewhere than it was checked.
REFUSED_FLAGS = ("config_name", "config_path", "config_dir", "experimental_rerun")
# Settings that say where things lie, which name no folder.
PLACES = ("data.root", "data.store", "data.path")
log = logging.getLogger("cnnlab")


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
    jobs = [] if _only_shows(arguments) else check_jobs(arguments.overrides, multirun=arguments.multirun)
    failures: list[Exception] = []

    def task(cfg: DictConfig) -> float | None:
        # What is raised here, Hydra would print in its own way.
        try:
            return run_job(cfg, len(jobs))
        except Exception as error:
            failures.append(error)
            return None

    register_resolvers()
    run = hydra.main(config_path=str(conf.conf_dir()), config_name=CONFIG_NAME, version_base="1.3")(task)
    named = naming(jobs) if arguments.multirun and jobs else []
    flags = [word for word in words if word not in arguments.overrides]
    with isolated([*arguments.overrides, *named, *flags]):
        try:
            run()
        except SystemExit as error:
            if not _only_shows(arguments):
                raise  # ended by a signal
            return MISTAKE if error.code else 0
        except REFUSALS as error:
            raise UserError(explain(error, arguments.overrides, compose)) from error
        except OSError as error:  # of Hydra itself, since those of a job are kept
            raise UserError(f"{error.filename}: the folder cannot be made ({error.strerror}).") from error
    if failures and not arguments.multirun:
        raise failures[0]
    for failure in failures:
        print(f"cnnlab: {failure}", file=sys.stderr)
    return 1 if failures else 0


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


def check_jobs(overrides: Sequence[str], *, multirun: bool) -> list[list[str]]:
    """Compose all jobs, check them and build what needs no data, before the first one starts.

    Returns:
        The overrides of each job.

    Raises:
        UserError: for the first mistake; in a study it names the job.
    """
    jobs = expand(overrides) if multirun else [list(overrides)]
    configs = []
    for job in jobs:
        with _named(job, multirun):
            configs.append(compose_job(job))

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


def run_job(cfg: DictConfig, jobs: int) -> float | None:
    """Run one job in the folder that Hydra gives it.

    Args:
        cfg: the job's config.
        jobs: how many the study has.

    Returns:
        Validation's monitored metric, for sweepers that optimise.

    Raises:
        TrainingError: if a job of a study fails, for whatever reason; it names the job.
    """
    state = HydraConfig.get()
    folder = Path(state.runtime.output_dir)
    study = state.mode == RunMode.MULTIRUN
    if study:
        print(f"job {state.job.num + 1}/{jobs}: {' '.join(state.overrides.task)}", flush=True)
    log.info("started: %s", " ".join(state.overrides.task) or "without overrides")

    from cnnlab.cli.ending import ended
    from cnnlab.training.run import run

    try:
        result = ended(lambda: run(cfg, folder, told=state.overrides.task), folder)
    except Exception as error:
        if not study:
            raise
        expected = isinstance(error, (UserError, TrainingError))
        sentence = str(error) if expected else f"{type(error).__name__}: {error}"
        raise TrainingError(
            f"job {state.job.num + 1}/{jobs} failed: {sentence.rstrip('.')}. Its folder is {folder}"
        ) from error
    return result.val.get((result.followed or "").removeprefix("val/"))
