"""Runs that differ in seed and fold only, put together and named by what differs between them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from cnnlab.config.choices import choices, options_typed
from cnnlab.config.compose import compose
from cnnlab.config.conf import groups as config_groups
from cnnlab.errors import UserError, did_you_mean
from cnnlab.study.runs import COUNTING, StudyRun, flat

MISSING = "-"
LONGEST_NUMBER = 8


@dataclass(frozen=True)
class Group:
    """Runs of one setting.

    Args:
        values: of what was varied, by its keys as typed; empty where all runs have one setting.
        runs: in the order in which they were found, failed ones included.
        pairs: for each run what it has in common with its partner in another group: seed and fold, and
            further settings that differ but do not name the group.
        paired_by: the keys of these.
    """

    values: Mapping[str, str]
    runs: tuple[StudyRun, ...]
    pairs: tuple[tuple[str, ...], ...] = ()
    paired_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What was set, in few words.

        Examples:
            >>> Group({"model": "mlp", "model.dropout": "0.1"}, ()).name
            'model=mlp, dropout=0.1'
        """
        short = short_keys(self.values)
        return ", ".join(f"{short[key]}={value}" for key, value in self.shown.items()) or "all runs"

    @property
    def shown(self) -> dict[str, str]:
        """The values, with numbers of many digits cut to four.

        Examples:
            >>> Group({"lr": "0.006431172050131994", "l2": "0.5", "seeds": "12345678"}, ()).shown
            {'lr': '0.006431', 'l2': '0.5', 'seeds': '12345678'}
        """
        return {key: _cut(value) for key, value in self.values.items()}

    def numbers(self) -> dict[str, int]:
        """How many values of each key that pairs them the finished runs have."""
        done = [pair for run, pair in zip(self.runs, self.pairs, strict=False) if run.is_finished]
        return {key: len({pair[i] for pair in done}) for i, key in enumerate(self.paired_by)}

    @property
    def finished(self) -> tuple[StudyRun, ...]:
        """Those that came to their end."""
        return tuple(run for run in self.runs if run.is_finished)


def _cut(value: str) -> str:
    if len(value) <= LONGEST_NUMBER or value.lstrip("-").isdecimal():
        return value
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def short_keys(keys: Mapping[str, object] | Sequence[str]) -> dict[str, str]:
    """The last part of each key, and all of it where two end alike.

    Examples:
        >>> short_keys(["model.l2", "optimizer.lr"]), short_keys(["model.norm", "data.norm"])["model.norm"]
        ({'model.l2': 'l2', 'optimizer.lr': 'lr'}, 'model.norm')
    """
    last = [key.rpartition(".")[2] for key in keys]
    return {key: name if last.count(name) == 1 else key for key, name in zip(keys, last, strict=True)}


def grouped(runs: Sequence[StudyRun], by: Sequence[str] = ()) -> list[Group]:
    """Put together the runs that differ in seed, fold and the seed of the split only.

    Args:
        runs: at least one.
        by: keys, or groups of the config, to compare by; runs that differ in others are then put together.
            Without any it is all that differs.

    Raises:
        UserError: for a key that no run has.
    """
    for key in by:
        _require_key(key, runs)
    every = dict.fromkeys(key for run in runs for key in run.settings)
    seen = [
        _Seen(run, typed, _filled(run, typed, every)) for run in runs for typed in [options_typed(run.told)]
    ]
    differing = varied(seen)
    keys = list(by) or differing
    pairing = [key for key in [*COUNTING, *differing] if key not in keys]
    found: dict[tuple[str, ...], list[_Seen]] = {}
    for one in seen:
        found.setdefault(tuple(one.value(key) for key in keys), []).append(one)
    return [
        Group(
            dict(zip(keys, values, strict=True)),
            runs=tuple(one.run for one in few),
            pairs=tuple(tuple(one.value(key) for key in pairing) for one in few),
            paired_by=tuple(pairing),
        )
        for values, few in found.items()
    ]


@dataclass(frozen=True)
class _Seen:
    """A run, the options that were typed for it, and its settings."""

    run: StudyRun
    typed: tuple[str, ...]
    settings: Mapping[str, str]

    def value(self, key: str) -> str:
        """A setting's value, or a config group's chosen option."""
        if key in config_groups():
            return choices(self.typed).get(key, MISSING)
        if key == "data.fold" and self.settings.get("data.folds") == "null":
            return MISSING  # the number of a part that was not cut
        return self.settings.get(key, MISSING)


def _filled(run: StudyRun, typed: tuple[str, ...], every: Iterable[str]) -> Mapping[str, str]:
    """A run's settings, and those that cnnlab has gained since, as its options set them today."""
    missing = [key for key in every if key not in run.settings]
    if not missing:
        return run.settings
    today = base(typed)

    def of_the_same(key: str) -> bool:
        target = f"{key.partition('.')[0]}._target_"
        return today.get(target) == run.settings.get(target)

    gained = {key: today[key] for key in missing if key in today and of_the_same(key)}
    return {**gained, **run.settings}


def varied(seen: Sequence[_Seen]) -> list[str]:
    """Keys that tell the runs apart, those of the config groups first.

    What follows from the options that were chosen (the width of a preset, say) is left out.
    """
    flats = [one.settings for one in seen]
    every = dict.fromkeys(key for flat_one in flats for key in flat_one)
    differing = [key for key in every if key not in COUNTING and len({f.get(key) for f in flats}) > 1]
    if not differing:
        return []
    told = dict.fromkeys(word.partition("=")[0].lstrip("+") for one in seen for word in one.run.told)
    differing.sort(key=[*told, *differing].index)  # as typed, then what was not
    typed = dict.fromkeys(word.partition("=")[0] for one in seen for word in one.typed)
    chosen = [key for key in typed if len({one.value(key) for one in seen}) > 1]
    bases = [base(one.typed) if chosen else {} for one in seen]
    said = [
        key
        for key in differing
        if not chosen
        or any(f.get(key) != base_one.get(key) for f, base_one in zip(flats, bases, strict=True))
    ]
    return [*chosen, *said]


@cache
def base(typed: tuple[str, ...]) -> Mapping[str, str]:
    """All settings that follow from these options; none where they are no longer there."""
    try:
        return flat(compose(typed))
    except UserError:
        return {}


def _require_key(key: str, runs: Sequence[StudyRun]) -> None:
    known = dict.fromkeys([*config_groups(), *(name for run in runs for name in run.settings)])
    if key not in known:
        near = did_you_mean(key, known) or "; config.yaml in a run's folder shows what there is."
        raise UserError(f"--by {key}: no run has such a setting{near}")
