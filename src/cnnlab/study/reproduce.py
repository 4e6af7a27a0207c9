"""Running a row: every repetition of every case, skipping what is there already."""

import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cnnlab.config.compose import compose
from cnnlab.config.resolvers import folder_name
from cnnlab.errors import TrainingError, UserError
from cnnlab.study.record import CaseRecord, Record, mean_curves
from cnnlab.study.rows import Case, Row, short_name
from cnnlab.training.folder import RunFolder

EPOCHS = "trainer.max_epochs"

# What may be set for all rows at once: where things lie and what they run on, and fewer epochs.
FOR_ALL = (
    *("data.root", "data.store", "data.verify", "data.memory", "logger"),
    *("trainer", "trainer.accelerator", "trainer.precision", EPOCHS),
)

# What a choice of the Trainer may shorten beside the number of epochs.
CUT = (
    *("max_steps", "max_time", "fast_dev_run", "overfit_batches"),
    *("limit_train_batches", "limit_val_batches", "limit_test_batches"),
)
LEAST_SHARE = 0.25  # of a row's epochs that say something about it

Train = Callable[[DictConfig, Path, Sequence[str]], None]
Fingerprint = Callable[[DictConfig], str]


@dataclass(frozen=True)
class Found:
    """What one run came to."""

    value: float
    chosen_by: float | None
    result: Mapping[str, Any]
    history: Mapping[str, list[float]]
    chosen: str = ""


@dataclass
class Reproduction:
    """All that running rows needs.

    Args:
        train: trains a config in a folder and leaves its ``result.json`` and ``metrics.csv`` there; it is
            told the overrides, too.
        fingerprint: digest of a config.
        runs: folder of the run folders.
        records: folder of the rows' JSON files.
        overrides: what is set for all rows, of :data:`FOR_ALL`.
        repetitions: of each row; None leaves it to the row.
        again: run what is there, too.
        shortened_too: run whole what is there of fewer epochs, too.
        variants: run the variants of rows, too.
        tell: called with a line for each run.

    Attributes:
        failed: whether a training failed, or its data was not there.
    """

    train: Train
    fingerprint: Fingerprint
    runs: Path
    records: Path
    overrides: Sequence[str] = ()
    repetitions: int | None = None
    again: bool = False
    shortened_too: bool = True
    variants: bool = True
    tell: Callable[[str], None] = print
    failed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        for override in self.overrides:
            if (key := override.partition("=")[0]) not in FOR_ALL:
                raise UserError(
                    f"{key}: not for all rows at once; allowed are {', '.join(FOR_ALL)}. "
                    "A single row is changed by python -m cnnlab experiment=ROW KEY=VALUE."
                )
            if key == EPOCHS and override.partition("=")[2].startswith("-"):
                raise UserError(f"{override}: trainings can be shortened, to 1 epoch at least.")

    def record_path(self, row: Row) -> Path:
        """Where a row's record lies."""
        return self.records / f"{row.name}.json"

    def go(self, row: Row) -> Record:
        """Run what a row's record lacks, and write it after each case.

        A case whose training fails, or whose data is not there, keeps the sentence in place of figures.
        What says less takes no place of what says more: a failure, a training too short, part of one.
        """
        path = self.record_path(row)
        record = Record.read(path) if path.exists() else Record(row.name, row.metric)
        # What has been renamed or given up since is no part of the row.
        kept = {case.name: record.cases[case.name] for case in row.cases() if case.name in record.cases}
        if kept != record.cases:
            record.cases = kept
            record.write(path)
        left = ""
        for case in row.cases():
            if case.name and not self.variants and not row.grid:
                continue
            wanted = row.repetitions(case, self.repetitions)
            first = row.jobs(case, 0)[0]
            settings = self._settings(row, case, first)
            old = record.cases.get(case.name)
            if not self.again and old and len(old.values) >= wanted:
                if old.settings == settings:
                    continue
                if old.partial and not self.shortened_too and self._asks_for_the_rest(row, case, first, old):
                    left = f"{old.epochs[0]:.0f} of {compose(first).trainer.max_epochs} epochs are recorded"
                    continue
            new = self._case(row, case, wanted, settings, record)
            new.partial, new.too_short = shortened(self.config(first), compose(first))
            if row.instead and new.failure:
                record.cases[case.name] = new  # its sentence stands on the page already
            elif old is None or not new.says_less(old):
                record.cases[case.name] = new
                record.write(path)
            else:
                self.tell(f"{row.name} {case.name}: what is recorded says more, and is kept.")
        if left:
            self.tell(f"{row.name}: {left}; reproduce {row.name} trains all.")
        return record

    def _asks_for_the_rest(self, row: Row, case: Case, first: Sequence[str], old: CaseRecord) -> bool:
        """Whether the whole training is asked for, and a record is of the same settings with fewer epochs."""
        cut = [*first, f"{EPOCHS}={old.epochs[0]:.0f}"]
        whole = not shortened(self.config(first), compose(first))[0]
        return whole and self._settings(row, case, cut) == old.settings

    def _settings(self, row: Row, case: Case, job: Sequence[str]) -> str:
        """Digest of all that a case's runs are composed of."""
        digests = [self.fingerprint(self.config([*job, *each])) for each in row.candidates(case)]
        return digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()[:16]

    def config(self, job: Sequence[str]) -> DictConfig:
        """Compose one run."""
        return compose(self.told(job))

    def told(self, job: Sequence[str]) -> list[str]:
        """What a run is composed of: its own overrides, and of those for all the ones it has a key for."""
        if not self.overrides:
            return list(job)
        plain = compose(job)
        wanted = [one for one in self.overrides if _has(plain, one.partition("=")[0])]
        own = plain.trainer.max_epochs
        return [*job, *(one for one in wanted if not _lengthens(one, own))]

    def _case(self, row: Row, case: Case, wanted: int, settings: str, record: Record) -> CaseRecord:
        done = CaseRecord(list(case.overrides), settings)
        histories: list[Mapping[str, list[float]]] = []
        for repetition in range(wanted):
            try:
                found = [self._best(row, case, job) for job in self._numbered(row, case, repetition)]
            except (UserError, TrainingError) as error:
                done.failure, self.failed = self._without_places(str(error)), True
                self.tell(f"{row.name} {case.name}: {error}")
                return done
            results = [one.result for one in found]
            histories += [one.history for one in found]
            done.values.append(statistics.fmean(one.value for one in found))
            for name in (one.chosen for one in found if one.chosen):
                done.chosen[name] = done.chosen.get(name, 0) + 1
            done.chosen_by += [one.chosen_by for one in found if one.chosen_by is not None]
            done.losses.append(statistics.fmean(_number(result["test"]["loss"]) for result in results))
            done.epochs.append(statistics.fmean(result["epochs"] for result in results))
            done.minutes.append(round(sum(result["seconds"] for result in results) / 60, 2))
            done.parameters = results[0]["parameters"]
            record.versions = results[0]["versions"]
            record.device = f"{results[0]['device']}, {results[0]['precision']}"
        done.curves = None if row.grid else mean_curves(histories)
        return done

    def _without_places(self, sentence: str) -> str:
        """Leave out of a sentence where things lie on this machine, since records are published."""
        for override in self.overrides:
            key, _, value = override.partition("=")
            if key in ("data.root", "data.store") and value:
                sentence = sentence.replace(value, key)
        return sentence.replace(str(Path.home()), "~")

    def _numbered(self, row: Row, case: Case, repetition: int) -> Iterator[tuple[list[str], Path]]:
        """Yield the runs of one repetition with their folders."""
        place = self.runs / row.name / (folder_name(",".join(case.overrides)) if case.name else "row")
        jobs = row.jobs(case, repetition)
        for number, job in enumerate(jobs):
            folder = place / f"seed_{repetition}"
            yield job, folder / str(number) if len(jobs) > 1 else folder

    def _best(self, row: Row, case: Case, numbered: tuple[list[str], Path]) -> Found:
        """Train once, or of a nested choice each setting, and take the one of the least validation loss."""
        candidates = row.candidates(case)
        if len(candidates) == 1:
            return self._run(row, case, numbered)
        job, folder = numbered
        tried = [
            replace(self._run(row, case, ([*job, *each], folder / folder_name(",".join(each)))), chosen=name)
            for name, each in ((short_name(each), each) for each in candidates)
        ]
        return min(tried, key=lambda one: measured("val/loss", one.result, folder))

    def _run(self, row: Row, case: Case, numbered: tuple[list[str], Path]) -> Found:
        """Train once, or read what an earlier training of the same config left."""
        job, folder = numbered
        cfg = self.config(job)
        result = finished(folder)
        if self.again or result is None or result["config_fingerprint"] != self.fingerprint(cfg):
            self.train(cfg, folder, self.told(job))
            result = finished(folder)
        if result is None:
            raise TrainingError(f"{folder}: the run left no finished result.json.")
        value = measured(row.metric, result, folder)
        said = " ".join(job[1:])
        self.tell(f"{row.name} {said}: {row.metric} {value:.4f}, {result['seconds'] / 60:.1f} min")
        chosen_by = measured(row.choose, result, folder) if row.choose else None
        return Found(value, chosen_by, result, history(folder))


def shortened(asked: DictConfig, whole: DictConfig) -> tuple[bool, bool]:
    """Say whether a training is not as long as the experiment says, and whether it is too short to tell."""
    cut = any(asked.trainer.get(key) != whole.trainer.get(key) for key in CUT)
    epochs, wanted = asked.trainer.max_epochs, whole.trainer.max_epochs
    return cut or epochs < wanted, cut or 0 <= epochs < LEAST_SHARE * wanted


def _lengthens(override: str, epochs: int) -> bool:
    """Whether an override asks for as many epochs as these, or more."""
    key, _, value = override.partition("=")
    return key == EPOCHS and value.isdecimal() and int(value) >= epochs


def _has(cfg: DictConfig, key: str) -> bool:
    """Whether a config has this key, be it null."""
    group, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, group) if group else cfg
    return node is not None and name in node


def finished(folder: Path) -> dict[str, Any] | None:
    """Result of a run that came to its end; None without one."""
    try:
        result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if result.get("status") == "finished" else None


def measured(metric: str, result: Mapping[str, Any], folder: Path) -> float:
    """Read a metric of a run: ``test/accuracy``, or ``val/accuracy@4`` for the best of four epochs."""
    name, _, epochs = metric.partition("@")
    if epochs:
        return max(history(folder)[name][: int(epochs)])
    part, _, quantity = name.partition("/")
    return _number(result[part][quantity])


def _number(value: float | None) -> float:
    """A number of ``result.json``, in which null is one that was not finite."""
    return math.nan if value is None else float(value)


def history(folder: Path) -> dict[str, list[float]]:
    """Columns of a run's ``metrics.csv``; what is missing in an epoch is NaN."""
    return RunFolder(folder).history()
