"""Finding conf/ and composing a config, with Hydra's errors said in one sentence."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from cnnlab.config import conf
from cnnlab.config.conf import conf_dir, groups
from cnnlab.config.explain import explain
from cnnlab.config.resolvers import register_resolvers
from cnnlab.errors import UserError

__all__ = ["CONFIG_NAME", "REFUSALS", "compose", "conf_dir", "expand", "groups", "parse"]

CONFIG_NAME = "config"
# What Hydra raises for a mistake in overrides or files. It means some of them; others it stumbles over: a
# group set to a number is a ValueError, to a list with a number in it a TypeError.
REFUSALS = (
    *(HydraException, OmegaConfBaseException, YAMLError),
    *(ValueError, TypeError, AttributeError, LookupError, AssertionError, RecursionError),
)
MOST_JOBS = 10_000


def compose(overrides: Sequence[str], *, with_hydra: bool = False) -> DictConfig:
    """Compose the config that these overrides ask for.

    Args:
        overrides: as typed: ``model=vgg_like``, ``trainer.max_epochs=3``.
        with_hydra: keep Hydra's own node, for its folders.

    Raises:
        UserError: in one sentence, for whatever Hydra refuses.

    Examples:
        >>> compose(["model=mlp", "model.hidden=[7]"]).model.hidden
        [7]
    """
    try:
        return _compose(overrides, with_hydra=with_hydra)
    except REFUSALS as error:
        raise UserError(explain(error, overrides, _compose)) from error


def _compose(overrides: Sequence[str], *, with_hydra: bool = False) -> DictConfig:
    register_resolvers()
    with _set_aside(), initialize_config_dir(str(conf.conf_dir()), version_base="1.3", job_name="cnnlab"):
        return hydra_compose(CONFIG_NAME, list(overrides), return_hydra_config=with_hydra)


@contextmanager
def _set_aside() -> Iterator[None]:
    """Set the Hydra that runs a job aside, which lets no other one compose meanwhile."""
    running, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        yield
    finally:
        # Composing may leave another instance than it found.
        GlobalHydra.instance().hydra = running


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """Write out the jobs of a sweep: every combination of the choices after the commas.

    Raises:
        UserError: for an override that cannot be read.

    Examples:
        >>> expand(["model=mlp,linear", "seed=0"])
        [['model=mlp', 'seed=0'], ['model=linear', 'seed=0']]
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    parsed = parse(overrides)
    _require_few(parsed)
    try:
        batches = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    except REFUSALS as error:
        raise UserError(explain(error, overrides, _compose)) from error
    return [list(job) for batch in batches for job in batch]


def parse(overrides: Sequence[str]) -> list[Override]:
    """Read overrides in Hydra's grammar.

    Raises:
        UserError: for one that cannot be read.

    Examples:
        >>> [one.is_sweep_override() for one in parse(["model=mlp,linear", "seed=0"])]
        [True, False]
    """
    try:
        return list(OverridesParser.create().parse_overrides(list(overrides)))
    except REFUSALS as error:
        raise UserError(explain(error, overrides, _compose)) from error


def _require_few(parsed: Sequence[Override]) -> None:
    """Count the jobs before they are written out."""
    counts = [_choices(override) for override in parsed]
    if 0 in counts:
        raise UserError(
            f"{parsed[counts.index(0)].input_line}: there is no value in it, so nothing is varied."
        )
    if math.prod(counts) > MOST_JOBS:
        most = parsed[counts.index(max(counts))].input_line
        raise UserError(f"{most}: these are {math.prod(counts):,} jobs; a study has {MOST_JOBS:,} at most.")


def _choices(override: Override) -> int:
    """How many values a sweep gives a setting."""
    value = override._value
    if isinstance(value, IntervalSweep):
        raise UserError(
            f"{override.input_line}: an interval is for a search; add hydra/sweeper=search,"
            f" or list values: {override.get_key_element()}=A,B,C."
        )
    if isinstance(value, RangeSweep) and value.step == 0:
        raise UserError(f"{override.input_line}: the step of a range is not 0.")
    if isinstance(value, RangeSweep) and value.start is not None and value.stop is not None:
        return max(0, math.ceil((value.stop - value.start) / value.step))
    return len(value.list) if isinstance(value, ChoiceSweep) else 1
