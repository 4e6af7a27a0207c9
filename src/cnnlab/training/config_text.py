"""The YAML of a run, which may come from a stranger: read within limits, and checked as if it were typed."""

import json
import stat
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cnnlab.config.check import check
from cnnlab.errors import UserError, reason

_LARGEST = 1 << 20  # bytes
# A config of ours has some thousands of letters and some hundreds of tokens, and YAML is slow.
_LONGEST_CONFIG, _MOST_TOKENS = 1 << 16, 10_000
_REFUSED_TOKENS = (yaml.AliasToken, yaml.AnchorToken, yaml.TagToken)
# What YAML and OmegaConf raise for rubbish.
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    AssertionError,
    RecursionError,
    yaml.YAMLError,
    OmegaConfBaseException,
)


def plain_text(path: Path) -> str:
    """Read a text of a run folder: a plain file of bounded size, no pipe and no device.

    Raises:
        ValueError: if it is something else.
        OSError: if it cannot be read.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("it is not a plain file")
    if state.st_size > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST} bytes")
    return path.read_text(encoding="utf-8")


def parsed_yaml(text: str, where: Path) -> Any:  # noqa: ANN401 - a mapping or a list
    """Read the YAML of a run, which holds no interpolation.

    Raises:
        UserError: that names the file, if it cannot be read.
    """
    if len(text) > _LONGEST_CONFIG:
        raise UserError(f"{where}: it has more than {_LONGEST_CONFIG} letters, which no config of a run has.")
    try:
        for number, token in enumerate(yaml.scan(text)):
            # An alias can stand for more than memory holds, and a tag for a call.
            if isinstance(token, _REFUSED_TOKENS):
                raise UserError(f"{where}: a run's config holds no aliases and no tags (&, *, !).")
            if number > _MOST_TOKENS:
                raise UserError(f"{where}: it holds more values than any config of a run.")
        found = OmegaConf.create(text)
        # A resolved config has none, and a stranger's could ask for what is none of his business.
        plain = OmegaConf.to_container(found, resolve=False)
        if "${" in json.dumps(plain, ensure_ascii=False, default=str):
            raise UserError(f"{where}: a run's config holds no interpolation (${{...}}).")
        return found
    except _UNREADABLE as error:
        raise UserError(f"{where}: cannot be read ({reason(error)}).") from error


def checked_config(cfg: object, where: Path) -> DictConfig:
    """Check a run's config as one that was typed is.

    Raises:
        UserError: if it is none, or holds what cnnlab would not call.
    """
    if not isinstance(cfg, DictConfig) or not cfg:
        raise UserError(f"{where}: not the config of a run.")
    check(cfg)
    return cfg
