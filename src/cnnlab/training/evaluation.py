"""The test of a finished run once more, or the same on other data."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from cnnlab.config.changed import changed
from cnnlab.config.make import make
from cnnlab.data.datamodule import DataModule
from cnnlab.data.input_format import InputFormat
from cnnlab.data.splits import PartName
from cnnlab.errors import UserError
from cnnlab.models.module import NetworkModule
from cnnlab.training.checkpoint_files import read_weights
from cnnlab.training.finite import no_numbers, require_filled
from cnnlab.training.folder import RunFolder
from cnnlab.training.interruptions import explained
from cnnlab.training.process import without_idle_warnings
from cnnlab.training.restored import network_of
from cnnlab.training.trainer import build_trainer

FLIP = "model.test_time_flip"
CHANGED = ("data", "trainer", FLIP)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Args:
        part: of the data.
        samples: in it.
        metrics: as ``result.json`` names them.
        data_fingerprint: of the data and its split.
        remarks: sentences on what differs from the run's own test.
    """

    part: PartName
    samples: int
    metrics: dict[str, float]
    data_fingerprint: str
    remarks: tuple[str, ...]


def evaluate(run: Path, overrides: Sequence[str] = (), part: PartName = "test") -> Evaluation:
    """Measure a run's network on a part of its data, or of other data that fits.

    Precision and device are those of the run, unless overridden; there is one device.

    Args:
        run: the run folder.
        overrides: of the groups ``data`` and ``trainer``, and ``model.test_time_flip``.
        part: ``test``, ``val`` or ``train``, the last without augmentation.

    Raises:
        UserError: if this is no run folder, or the network cannot take the data.
    """
    place = RunFolder(run)
    cfg = place.config()
    asked = changed(cfg, overrides, CHANGED)
    form, (weights, _) = place.input_format(), read_weights(place.weights)
    model = network_of(asked, form.spec, weights, place.weights)
    data: DataModule = make("data", asked.data)
    if form.permutation:
        data.load_state_dict({"permutation": torch.tensor(form.permutation)})
    require_fit(data, form)
    data.prepare_data()
    data.setup()
    remarks = [*differences(data, form, place), *_flipped(cfg, asked)]
    fingerprint = data.fingerprint()
    metrics = measured(asked, data, model, part)
    samples = len(getattr(data.splits, part).rows)
    return Evaluation(part, samples, metrics, fingerprint, tuple(remarks))


def measured(cfg: DictConfig, data: DataModule, model: NetworkModule, part: PartName) -> dict[str, float]:
    """All metrics over one part, as a run's test measures them.

    Args:
        cfg: its node ``trainer`` says device and precision.
        data: set up.
        model: in evaluation.
        part: of the data.

    Raises:
        UserError: if the network does not fill in what is missing, or answers with what are no numbers.
    """
    cfg = copy(cfg)
    cfg.trainer = {**cfg.trainer, "devices": 1, "strategy": "auto"}
    require_filled(data, model, [part])
    data.splits = replace(data.splits, test=getattr(data.splits, part))
    trainer = build_trainer(cfg.trainer, model.network, Path(), callbacks=[], loggers=[])
    with without_idle_warnings(), explained(trainer):
        trainer.test(model, datamodule=data, verbose=False)
    outputs = torch.cat(model.kept_outputs)
    if why := no_numbers(outputs):
        raise UserError(f"data={data.spec.name}: {why}.")
    return model.objective.measure(outputs, torch.cat(model.kept_targets))


def _flipped(before: DictConfig, asked: DictConfig) -> list[str]:
    """Say whether mirror images are asked as they were not in the run."""
    then, now = (bool(OmegaConf.select(cfg, FLIP, default=False)) for cfg in (before, asked))
    return [] if then == now else [f"{FLIP} is {now}, and in the run it was {then}".lower()]


def require_fit(data: DataModule, form: InputFormat) -> None:
    """Refuse data of another kind, shape or target than the network was trained on.

    Raises:
        UserError: that names both.
    """
    found, trained = data.spec, form.spec
    for name in ("kind", "input_shape", "target", "outputs", "feature_names", "vocabulary_size"):
        one, other = getattr(found, name), getattr(trained, name)
        if one != other:
            raise UserError(
                f"data={found.name}: its {name.replace('_', ' ')} is {_said(one)}, and the network was "
                f"trained on {trained.name}, where it is {_said(other)}."
            )


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def differences(data: DataModule, form: InputFormat, place: RunFolder) -> list[str]:
    """Say in which ways prepared data differs from the run's.

    Raises:
        UserError: if ids stand for other words, or features are made in another way.
    """
    found = data.input_format
    for name in ("vocabulary", "padding", "cut", "columns"):
        if getattr(found, name) != getattr(form, name):
            raise UserError(
                f"data={found.spec.name}: its {name} is not the one that the network was trained with."
            )
    remarks = []
    if found.spec.class_names != form.spec.class_names:
        remarks.append("the classes have other names than in the run; they are compared by their numbers")
    before = (place.result() or {}).get("data_fingerprint")
    if data.fingerprint() != before:
        remarks.append(
            f"these are not the run's data and split: fingerprint {data.fingerprint()}, not {before}"
        )
    return remarks
