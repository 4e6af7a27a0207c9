"""Finding conf/ and composing a config, with Hydra's errors said in one sentence."""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from cnnlab.config.resolvers import register_resolvers
from cnnlab.errors import UserError, did_you_mean

CONFIG_NAME = "config"


def conf_dir() -> Path:
    """Folder of the configuration: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parents[1] / "conf"


def groups() -> dict[str, list[str]]:
    """Each config group with the options that a user may choose.

    Examples:
        >>> "vgg_like" in groups()["model"]
        True
    """
    root = conf_dir()
    return {
        folder.name: sorted(
            str(file.relative_to(folder).with_suffix(""))
            for file in folder.rglob("*.yaml")
            if not file.name.startswith("_")
        )
        for folder in sorted(root.iterdir())
        if folder.is_dir()
    }


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
    register_resolvers()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="cnnlab"):
            return hydra_compose(CONFIG_NAME, list(overrides), return_hydra_config=with_hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, overrides)) from error


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """Write out the jobs of a sweep: every combination of the choices after the commas.

    Raises:
        UserError: for an override that cannot be read.

    Examples:
        >>> expand(["model=mlp,linear", "seed=0"])
        [['model=mlp', 'seed=0'], ['model=linear', 'seed=0']]
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        batches = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    except HydraException as error:
        raise UserError(explain(error, overrides)) from error
    return [list(job) for batch in batches for job in batch]


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """Say what Hydra or OmegaConf refused in one sentence, with the nearest right name."""
    text = str(error)
    if found := re.search(r"Could not find '([^'/]+)/([^']+)'", text):
        group, option = found.groups()
        return _no_such_option(group, option)
    if found := re.search(r"Could not override '([^'@]+)[^']*'\.\s*No match in the defaults list", text):
        name = found.group(1)
        return f"{name}: there is no such config group{did_you_mean(name, groups())} " + _listed(
            "The groups are", groups()
        )
    if found := re.search(r"Could not (?:override|append to config|delete from config)[^']*'([^']+)'", text):
        return _no_such_key(found.group(1), overrides)
    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read; an override is written key=value, a list key=[a,b]."
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    key = getattr(error, "full_key", None)
    return f"{key}: {first}" if key else first


def _listed(intro: str, names: Sequence[str] | dict[str, list[str]]) -> str:
    return f"{intro} {', '.join(names)}."


def _no_such_option(group: str, option: str) -> str:
    options = groups().get(group, [])
    hint = did_you_mean(option, options)
    return f"{group}={option}: there is no such {group}{hint or '.'} " + _listed("There are", options)


def _no_such_key(key: str, overrides: Sequence[str]) -> str:
    """Say which part of ``key`` is unknown, beside the keys that the chosen options do have."""
    chosen = [o for o in overrides if o.split("=")[0].lstrip("+~") in groups()]
    node = compose(chosen if len(chosen) < len(overrides) else [])
    *parents, last = key.split(".")
    for depth, parent in enumerate(parents):
        child = node.get(parent)
        if not isinstance(child, DictConfig):
            last, parents = parent, parents[:depth]
            break
        node = child
    names = [str(name) for name in node if not str(name).startswith("_")]
    where = ".".join(parents) or "the config"
    return f"{key}: {where} has no key {last}{did_you_mean(last, names) or '.'} " + _listed(
        "There are", names
    )
