"""Gradual unfreezing through the Trainer: what moves when, what never does, going on from a checkpoint."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from cnnlab.config.check import check
from cnnlab.config.compose import compose
from cnnlab.config.make import make
from cnnlab.errors import UserError
from cnnlab.models.pretrained import read
from cnnlab.training.process import without_idle_warnings
from cnnlab.training.run import build, run
from cnnlab.training.unfreezing import Unfreezing

EPOCHS = 3
RESNET = [
    "data=digits",
    "data.size=32",
    "data.train_fraction=0.05",
    "data.validation=64",
    "data.test=64",
    "data.batch_size=16",
    "data.augment.shift=0",
    "data.augment.rotation=0",
    "model=resnet18",
    "model.last_stage=layer2",
    "model.trained=head",
    "model.body_rate=0.1",
    "optimizer=adamw",
    "optimizer.weight_decay=0.1",
    "schedule=one_cycle",
    "callbacks=unfreeze",
    "callbacks.unfreeze.layer4=null",
    "callbacks.unfreeze.layer3=null",
    "callbacks.unfreeze.layer2=2",
    "trainer=cpu",
    "trainer.precision=32-true",
    f"trainer.max_epochs={EPOCHS}",
    "logger=none",
]


pytestmark = pytest.mark.usefixtures("one_thread")


class Watcher(pl.Callback):
    """Keeps a copy of the network's state, and the rates, at the end of each epoch."""

    def __init__(self):
        self.states, self.rates, self.frozen = [], [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.frozen.append((trainer.current_epoch + 1, pl_module.network.is_frozen("layer2")))

    def on_train_epoch_end(self, trainer, pl_module):
        self.states.append({name: t.clone() for name, t in pl_module.network.state_dict().items()})
        self.rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])


def changed(before, after):
    return {
        ".".join(name.split(".")[: 2 if name.startswith("body") else 1])
        for name, tensor in after.items()
        if not torch.equal(tensor, before[name])
    }


def fit(folder, resnet18_file, *, ckpt_path=None, stop_in=None):
    """Train as the program does; with ``stop_in``, an epoch and a place in it, it ends there."""
    cfg = compose([*RESNET, f"model.weights={resnet18_file}"])
    check(cfg)
    data, model = build(cfg)
    data.prepare_data()
    data.setup()
    watcher = Watcher()
    callbacks = [make("callbacks.unfreeze", cfg.callbacks.unfreeze), watcher]
    if stop_in is not None:
        callbacks.append(Stop(*stop_in, folder / "stopped.ckpt"))
    trainer = make(
        "trainer",
        cfg.trainer,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        default_root_dir=str(folder),
    )
    with without_idle_warnings():
        trainer.fit(model, datamodule=data, ckpt_path=ckpt_path)
    return model, watcher


class Stop(pl.Callback):
    """Saves a checkpoint at the end of an epoch, or in its middle, and ends the training there."""

    def __init__(self, epoch, place, path):
        self.epoch, self.place, self.path = epoch, place, path

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if self.place == "middle" and batch_idx == 1:
            self.stop(trainer)

    def on_train_epoch_end(self, trainer, pl_module):
        if self.place == "end":
            self.stop(trainer)

    def stop(self, trainer):
        if trainer.current_epoch + 1 == self.epoch:
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def unbroken(resnet18_file, tmp_path_factory):
    return fit(tmp_path_factory.mktemp("unbroken"), resnet18_file)


def test_each_stage_moves_from_its_epoch_on_and_statistics_with_it(resnet18_file, unbroken):
    _, watcher = unbroken
    pretrained = read_body(resnet18_file, watcher.states[0])
    first, second, third = watcher.states
    assert changed(pretrained, {name: t for name, t in first.items() if name.startswith("body")}) == set()
    assert changed(first, second) == {"body.layer2", "head"}
    assert changed(second, third) == {"body.layer2", "head"}
    # Weight decay, momentum and batch norm's statistics have not touched what was never unfrozen.
    frozen = [name for name in third if name.startswith("body") and ".layer2." not in name]
    assert any("running_mean" in name for name in frozen)
    assert all(torch.equal(third[name], pretrained[name]) for name in frozen)
    running = [name for name in third if "layer2" in name and "running_var" in name]
    assert not any(torch.equal(first[name], second[name]) for name in running)


def read_body(resnet18_file, state):
    weights = read(Path(resnet18_file))
    return {name: weights[name.removeprefix("body.")] for name in state if name.startswith("body.")}


def test_both_groups_follow_the_schedule(unbroken):
    _, watcher = unbroken
    for head, body in watcher.rates:
        assert body == pytest.approx(0.1 * head)
    assert len({head for head, _ in watcher.rates}) == EPOCHS


@pytest.mark.parametrize("place", ["middle", "end"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_training_goes_on_from_before_and_behind_an_unfreezing(
    resnet18_file, unbroken, tmp_path, epoch, place
):
    with pytest.raises(SystemExit):
        fit(tmp_path, resnet18_file, stop_in=(epoch, place))
    model, watcher = fit(tmp_path, resnet18_file, ckpt_path=str(tmp_path / "stopped.ckpt"))
    assert watcher.frozen[0][0] == epoch + (place == "end")
    assert all(frozen == (now < 2) for now, frozen in watcher.frozen)
    expected = unbroken[0].state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.trained=layer2"], r"callbacks\.unfreeze\.layer2=2: it is trained from the start; say model"),
        (["model.trained=all"], r"callbacks\.unfreeze\.layer2=2: it is trained from the start"),
        (["callbacks.unfreeze.layer3=1"], r"callbacks\.unfreeze\.layer3: the body ends behind layer2"),
        (["callbacks.unfreeze.layer3=3"], r"callbacks\.unfreeze\.layer2=2: layer3, .* allowed is 3 or more"),
        (["callbacks.unfreeze.layer2=null"], r"callbacks\.unfreeze: no stage is named"),
        (["callbacks.unfreeze.layer2=0"], r"callbacks\.unfreeze\.layer2=0: allowed is a whole number"),
        (["+callbacks.unfreeze.layer5=2"], r"callbacks\.unfreeze\.layer5: .* did you mean layer4\?"),
    ],
)
def test_what_cannot_be_unfrozen_is_refused(tmp_path, overrides, message):
    with pytest.raises(UserError, match=message):
        run(compose([*RESNET, *overrides]), tmp_path / "run")


def test_other_networks_have_no_stages(tmp_path):
    overrides = [
        "data=digits",
        "data.size=8",
        "model=mlp",
        "callbacks=unfreeze",
        "trainer=cpu",
        "logger=none",
    ]
    with pytest.raises(UserError, match="MLPModule has no stages that could be frozen; model=resnet18"):
        run(compose(overrides), tmp_path / "run")


def test_a_stage_behind_the_end_is_warned_of(tmp_path, caplog):
    callback = Unfreezing(layer2=7)
    _, model = build(compose(RESNET))
    callback.setup(pl.Trainer(max_epochs=2, accelerator="cpu", logger=False), model, "fit")
    assert "callbacks.unfreeze.layer2=7: the training ends before, with epoch 2" in caplog.text
