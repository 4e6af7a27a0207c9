"""What Hydra itself is told: by conf/hydra and by whoever types, and by no other file."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from cnnlab.config import conf
from cnnlab.config.compose import compose
from cnnlab.errors import UserError

# What says only which options were chosen, and what a study may keep in an experiment.
HARMLESS = (
    "hydra.runtime",
    "hydra.overrides",
    "hydra.job.override_dirname",
    "hydra.mode",
    "hydra.sweeper.params",
)


def compose_job(overrides: Sequence[str]) -> DictConfig:
    """Compose a job's config, see :func:`compose`, and refuse files that would tell Hydra something.

    Hydra calls what its callbacks, launchers and log handlers name, writes where its folders and handlers
    point, and sets environment variables.

    Raises:
        UserError: for a file outside conf/hydra that does, and for whatever Hydra refuses.

    Examples:
        >>> "hydra" in compose_job(["model=mlp"])
        False
    """
    cfg = compose(overrides, with_hydra=True)
    typed = tuple(word for word in overrides if word.lstrip("+~").startswith("hydra"))
    changed = _difference("hydra", _plain(cfg), _told(typed, conf.conf_dir()))
    if changed:
        raise UserError(f"{changed}: no file but those of conf/hydra may set it; it can be typed.")
    with open_dict(cfg):
        cfg.pop("hydra")
    return cfg


@cache
def _told(typed: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Hydra's node by conf/hydra of that folder and what was typed alone."""
    return _plain(compose(typed, with_hydra=True))


def _plain(cfg: DictConfig) -> dict[str, Any]:
    plain: dict[str, Any] = OmegaConf.to_container(cfg.hydra, resolve=False)  # type: ignore[assignment]
    return plain


def _difference(path: str, found: object, told: object) -> str | None:
    """Name the first place where they differ."""
    if path in HARMLESS or found == told:
        return None
    if not isinstance(found, dict) or not isinstance(told, dict):
        return path
    places = (_difference(f"{path}.{key}", found.get(key), told.get(key)) for key in [*told, *found])
    return next(filter(None, places), None)
