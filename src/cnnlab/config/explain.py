"""What Hydra and OmegaConf refuse, said in one sentence for the person who typed it."""

import re
from collections.abc import Callable, Iterable, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig
from yaml import MarkedYAMLError  # type: ignore[import-untyped]

from cnnlab.config import conf
from cnnlab.errors import did_you_mean, listed, reason

# Nodes whose callables take more than conf/ lists.
OPEN = ("trainer", "optimizer", "callbacks")
NO_SUCH_KEY = r"Could not (?:override|append to config|delete from config)[^']*'([^']+)'"
# Options that come with an extra.
EXTRAS = {("hydra/launcher", "joblib"): "parallel"}
Compose = Callable[..., DictConfig]


def explain(error: Exception, overrides: Sequence[str], compose: Compose) -> str:
    """Say what was refused in one sentence, with the nearest right name.

    Args:
        error: what Hydra, OmegaConf or YAML raised.
        overrides: as typed.
        compose: makes a config of overrides, to look up which keys there are.
    """
    if isinstance(error, OverrideParseException):
        return _unreadable(str(error.override))
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        place = f"{error.problem_mark.name}, line {error.problem_mark.line + 1}"
        return f"{place}: {error.problem or 'not YAML'}."
    typed = [override for word in overrides if (override := _parsed(word)) is not None]
    said = _of_option(str(error)) or _of_override(str(error), typed)
    if said is None and (found := re.search(NO_SUCH_KEY, str(error))):
        said = _no_such_key(found.group(1), overrides, compose)
    return said or _first_line(error, typed)


def _of_option(text: str) -> str | None:
    """A sentence for a group or an option that is not there."""
    if found := re.search(r"In '([^']+)': Could not (?:find|load) '([^']+)/([^'/]*)'", text):
        place, group, option = found.groups()
        return _no_such_option(place, group, option, re.findall(r"^\t(\S+)$", text, re.MULTILINE))
    if found := re.search(r"Could not override '([^'@]+)[^']*'\.\s*No match in the defaults list", text):
        name = found.group(1)
        hint = did_you_mean(name, conf.groups()) or "."
        return f"{name}: there is no such group{hint} The groups are {listed(name, conf.groups())}."
    if found := re.search(r"Could not delete '([^'=]+)=([^']+)'\.\s*No match in the defaults list", text):
        return f"~{found.group(1)}={found.group(2)}: {found.group(2)} is not what is chosen."
    if found := re.search(r"Multiple values for (\w+)\.", text):
        return f"{found.group(1)}: it is chosen more than once; one {found.group(1)}=... is enough."
    return None


def _of_override(text: str, typed: Sequence[Override]) -> str | None:
    """A sentence for an override that is wrong whatever conf/ holds."""
    if found := re.search(r"(?:Ambiguous value for argument|Sweep parameters) '(.+)'", text):
        return f"{found.group(1)}: several values make a study and need -m; a comma in a text is quoted."
    for override in typed:
        if not override.key_or_group:
            return f"{override.input_line}: the name before the = is missing; --help shows the groups."
        options = conf.groups().get(override.key_or_group)
        if options and not override.is_delete() and not _names_options(override.value()):
            return f"{override.input_line}: allowed are {listed(override.key_or_group, options)}."
    return None


def _names_options(value: object) -> bool:
    return all(isinstance(one, str) for one in (value if isinstance(value, list) else [value]))


def _parsed(word: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def _unreadable(word: str) -> str:
    if word.startswith("-"):
        return f"{word}: there is no such flag here; settings are written key=value, --help shows them."
    quoted = f"'{word.partition('=')[0] or 'key'}=\"...\"'"
    return (
        f"{word}: it cannot be read; a setting is written key=value, a list key=[a,b], "
        f"and a text with signs or letters beyond a to z {quoted}."
    )


def _first_line(error: Exception, typed: Iterable[Override]) -> str:
    """Hydra's own words, behind the override that they are about, if that can be told."""
    about = reason(error)
    key = getattr(error, "full_key", None)
    named = next((o.input_line for o in typed if o.key_or_group == key or str(o.input_line) in about), None)
    about = re.sub(r"^Error merging override \S+\s*", "", about) or reason(error.__cause__ or error)
    return ": ".join(str(part) for part in (named or key, about) if part)


def _no_such_option(place: str, group: str, option: str, available: Sequence[str]) -> str:
    file = conf.conf_dir() / f"{place}.yaml"
    if place != "config" and file.exists():
        return f"{file}: its defaults name {group}/{option}, which is not there."
    if extra := EXTRAS.get((group, option)):
        return f"{group}={option}: it is not installed; pip install 'cnnlab[{extra}]' brings it."
    options = conf.groups().get(group, available)
    hint = did_you_mean(option, options)
    return f"{group}={option}: there is no such {group}{hint or '.'} There are {listed(option, options)}."


def _no_such_key(key: str, overrides: Sequence[str], compose: Compose) -> str:
    """Say which part of ``key`` is unknown, beside the keys that the chosen options do have."""
    chosen = [word for word in overrides if word.partition("=")[0].lstrip("+~") in conf.groups()]
    try:
        node: DictConfig = compose(chosen if len(chosen) < len(overrides) else [], with_hydra=True)
    except Exception:  # there is a second mistake, of which we shall hear
        node = compose([], with_hydra=True)
    *parents, last = key.split(".")
    for depth, parent in enumerate(parents):
        if parent in node and not isinstance(node[parent], DictConfig):
            return f"{key}: {'.'.join(parents[: depth + 1])} is a single value, without keys of its own."
        if parent not in node:
            last, parents = parent, parents[:depth]
            break
        node = node[parent]
    names = [str(name) for name in node if not str(name).startswith("_") and name != "hydra"]
    if last in names:
        added = any(word.startswith(f"+{key}=") for word in overrides)
        return f"{key}: it " + (
            "is there already; leave out the +." if added else "cannot be set beside the others."
        )
    where = ".".join(parents) or "the config"
    hint = did_you_mean(last, names) or "."
    more = f" Other arguments can be added: +{key}=..." if parents and parents[0] in OPEN else ""
    return f"{key}: {where} has no key {last}{hint} There are {listed(last, names)}.{more}"
