"""``train``: one run, or with ``-m`` a study of many."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from cnnlab.config.compose import CONFIG_NAME, compose, conf_dir, expand, explain
from cnnlab.config.resolvers import register_resolvers
from cnnlab.errors import TrainingError, UserError


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
    if not _only_shows(arguments):
        check_jobs(arguments.overrides, multirun=arguments.multirun)
    failures: list[Exception] = []

    def task(cfg: DictConfig) -> float | None:
        # What is raised here, Hydra would print in its own way.
        try:
            return run_job(cfg)
        except Exception as error:
            failures.append(error)
            return None

    os.environ["HYDRA_FULL_ERROR"] = "1"  # its own errors come as exceptions
    register_resolvers()
    before, sys.argv = sys.argv, ["cnnlab", *words]
    try:
        hydra.main(config_path=str(conf_dir()), config_name=CONFIG_NAME, version_base="1.3")(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, arguments.overrides)) from error
    finally:
        sys.argv = before
    if failures and not arguments.multirun:
        raise failures[0]
    for failure in failures:
        print(f"cnnlab: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        return parser.parse_args(list(words))
    except (argparse.ArgumentError, SystemExit) as error:
        raise UserError(f"{' '.join(words)}: {error}; --help shows what can be typed.") from error


def _only_shows(arguments: argparse.Namespace) -> bool:
    return bool(arguments.cfg or arguments.info or arguments.hydra_help or arguments.shell_completion)


def check_jobs(overrides: Sequence[str], *, multirun: bool) -> None:
    """Compose all jobs and check what is composed, before the first one starts.

    Raises:
        UserError: for the first mistake; in a study it names the job.
    """
    jobs = expand(overrides) if multirun else [list(overrides)]
    configs = [compose(job) for job in jobs]

    from cnnlab.config.check import check  # imports torch, which composing does not need

    for job, cfg in zip(jobs, configs, strict=True):
        try:
            check(cfg)
        except UserError as error:
            where = f" (in the job {' '.join(job)})" if multirun and job else ""
            raise UserError(f"{error}{where}") from error


def run_job(cfg: DictConfig) -> float | None:
    """Run one job in the folder that Hydra gives it.

    Returns:
        Validation's monitored metric, for sweepers that optimise.

    Raises:
        TrainingError: if a job of a study fails, for whatever reason; it names the job.
    """
    state = HydraConfig.get()
    folder = Path(state.runtime.output_dir)

    from cnnlab.training.run import run

    try:
        result = run(cfg, folder)
    except Exception as error:
        if state.mode != RunMode.MULTIRUN:
            raise
        if not isinstance(error, (UserError, TrainingError)):
            traceback.print_exc()
        raise TrainingError(f"job {state.job.num} failed: {error} Its folder is {folder}") from error
    except KeyboardInterrupt:
        last = folder / "checkpoints" / "last.ckpt"
        if last.exists():
            print(f"cnnlab: the last checkpoint is {last}", file=sys.stderr)
        raise

    from cnnlab.cli.summary import show

    show(result, folder)
    return result.val.get(cfg.callbacks.checkpoint.monitor.removeprefix("val/"))
