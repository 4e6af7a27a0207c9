"""Changing a config that was read from a run, as overrides change one that is composed."""

from collections.abc import Sequence

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from cnnlab.config.check import check
from cnnlab.config.compose import compose, groups, parse
from cnnlab.errors import UserError


def changed(cfg: DictConfig, overrides: Sequence[str], allowed: Sequence[str]) -> DictConfig:
    """Change some groups of a resolved config.

    Args:
        cfg: a checked config, without interpolations.
        overrides: ``data=mnist`` takes the group as conf/ has it, ``data.fold=1`` sets a value.
        allowed: groups that may be changed, and single settings of others.

    Returns:
        A changed copy, checked.

    Raises:
        UserError: for another group, a study, or whatever is wrong in the changed config.

    Examples:
        >>> from cnnlab.config.compose import compose
        >>> changed(compose(["data=digits"]), ["data.size=8"], ["data"]).data.size
        8
    """
    result = DictConfig(OmegaConf.to_container(cfg, resolve=True))
    typed = changes(overrides)
    for override in typed:
        if not {override.key_or_group, override.key_or_group.partition(".")[0]} & set(allowed):
            *others, last = allowed
            said = f"{', '.join(others)} and {last}" if others else last
            raise UserError(f"{override.input_line}: only {said} can be changed here.")
    chosen = {override.key_or_group for override in typed} & set(groups())
    for group in chosen:
        words = [str(one.input_line) for one in typed if one.key_or_group.partition(".")[0] == group]
        composed = compose([*words, f"seed={cfg.seed}"])
        OmegaConf.resolve(composed)
        result[group] = composed[group]
    for override in typed:
        if override.key_or_group.partition(".")[0] not in chosen:
            OmegaConf.update(result, override.key_or_group, override.value())
    check(result)
    return result


def changes(overrides: Sequence[str]) -> list[Override]:
    """Read overrides of which each gives one setting one value.

    Raises:
        UserError: for one that cannot be read, or does something else.

    Examples:
        >>> [(one.key_or_group, one.value()) for one in changes(["trainer.max_epochs=30"])]
        [('trainer.max_epochs', 30)]
    """
    parsed = parse(overrides)
    for one in parsed:
        if one.is_delete() or one.is_sweep_override() or one.package is not None:
            raise UserError(f"{one.input_line}: a change is written KEY=VALUE, with one value.")
    return parsed
