"""What Hydra itself is told: by conf/hydra and by whoever types, and by no other file."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from cnnlab.config import conf
from cnnlab.config.compose import compose, parse
from cnnlab.config.written import as_typed
from cnnlab.errors import UserError

# What says only which options were chosen, and what a study may keep in an experiment: see `launched`.
HARMLESS = (
    "hydra.runtime",
    "hydra.overrides",
    "hydra.job.override_dirname",
    "hydra.mode",
    "hydra.sweeper.params",
)


PARAMS = "hydra.sweeper.params"
EXPERIMENT = "experiment"
# Hydra shall not read once more what stands among the overrides already.
WRITTEN_OUT = f"++{PARAMS}=null"


class Launch(NamedTuple):
    """What Hydra will make of what was typed.

    Args:
        multirun: whether it is a study: by ``-m``, or since ``hydra.mode`` says so.
        overrides: of all jobs: those that a file keeps in ``hydra.sweeper.params`` and that are not typed
            otherwise, then those typed.
        config: of a single run, as composed of them, without Hydra's own node.
    """

    multirun: bool
    overrides: list[str]
    config: DictConfig | None = None


def launched(overrides: Sequence[str], *, multirun: bool) -> Launch:
    """Say what Hydra will run, before it does: what a file adds to the jobs is to be checked as if typed.

    Raises:
        UserError: for a parameter of a file's that would tell Hydra something or call something, for a file
            outside conf/hydra that tells Hydra anything else, and for whatever Hydra refuses.

    Examples:
        >>> launched(["model=mlp", "seed=1,2"], multirun=True)
        Launch(multirun=True, overrides=['model=mlp', 'seed=1,2'], config=None)
    """
    parsed = parse(overrides)
    # Hydra asks for these without what is swept.
    fixed = [str(one.input_line) for one in parsed if not one.is_sweep_override()]
    try:
        cfg = _checked(fixed)
    except UserError as error:
        raise _of_a_choice(parsed) or error from error
    hydra = cfg.hydra
    if not multirun and hydra.mode != RunMode.MULTIRUN:
        return Launch(False, list(overrides), _without_hydra(cfg) if len(fixed) == len(parsed) else None)
    _require_one_grid(parsed, fixed)
    typed = {_key(one) for one in parsed}
    grid = [word for word in _grid(hydra) if word.partition("=")[0].lstrip("+") not in typed]
    return Launch(True, [*grid, *overrides])


def _grid(hydra: DictConfig) -> list[str]:
    """Overrides that the chosen files sweep themselves."""
    node = OmegaConf.to_container(hydra.sweeper, resolve=False)
    return _params((node.get("params") if isinstance(node, dict) else None) or {})


def _of_a_choice(parsed: Sequence[Override]) -> UserError | None:
    """What to type for a setting of something that the study itself chooses, unknown to Hydra as yet."""
    varied = {_key(one): one.input_line for one in parsed if one.is_sweep_override()}
    for one in parsed:
        chosen = varied.get(_key(one).partition(".")[0])
        plain = not (one.is_sweep_override() or one.is_add() or one.is_force_add() or one.is_delete())
        if chosen and plain:
            word = one.input_line
            return UserError(f"{word}: it is read before {chosen} is chosen; ++{word} sets it in each job.")
    return None


def _require_one_grid(parsed: Sequence[Override], fixed: Sequence[str]) -> None:
    """Refuse several experiments of which one sweeps something: Hydra would leave that out."""
    for one in parsed:
        if _key(one) != EXPERIMENT or not one.is_sweep_override():
            continue
        for value in one.sweep_string_iterator():
            if _grid(_checked([*fixed, f"{EXPERIMENT}={value}"]).hydra):
                raise UserError(f"{one.input_line}: {value} sweeps something itself and goes with no other.")


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def _params(params: object) -> list[str]:
    """Write parameters as Hydra's sweeper does, and refuse what no setting of a network can be."""
    if not isinstance(params, dict):
        raise UserError(f"{PARAMS}={as_typed(params)}: allowed is a mapping of settings to their values.")
    words = []
    for key, value in params.items():
        word, place = f"{key}={value}", f"{PARAMS}.{key}"
        parsed = _parsed(word)
        if parsed is None or not isinstance(value, str | int | float) or "${" in word:
            raise UserError(f"{place}={as_typed(value)}: allowed is a setting as it would be typed.")
        if str(parsed.key_or_group).startswith("hydra") or (parsed.package or "").startswith("hydra"):
            raise UserError(f"{place}: no file but those of conf/hydra may set it; it can be typed.")
        if "_target_" in word:
            raise UserError(f"{place}: what is called cannot be swept by a file; it can be typed.")
        words.append(word)
    return words


def _parsed(word: str) -> Override | None:
    try:
        return parse([word])[0]
    except UserError:
        return None


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
    return _without_hydra(_checked(overrides))


def _without_hydra(cfg: DictConfig) -> DictConfig:
    with open_dict(cfg):
        cfg.pop("hydra")
    return cfg


def _checked(overrides: Sequence[str]) -> DictConfig:
    """Compose with Hydra's own node, which no file outside conf/hydra may have changed."""
    cfg = compose(overrides, with_hydra=True)
    typed = tuple(word for word in overrides if word.lstrip("+~").startswith("hydra"))
    changed = _difference("hydra", _plain(cfg), _told(typed, conf.conf_dir()))
    if changed:
        raise UserError(f"{changed}: no file but those of conf/hydra may set it; it can be typed.")
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
