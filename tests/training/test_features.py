"""Kept features: what is trained on them is what the images would have given, and they never go stale."""

import logging
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from cnnlab.config.check import check
from cnnlab.config.compose import compose
from cnnlab.config.make import make
from cnnlab.errors import TrainingError, UserError
from cnnlab.models.pretrained import read
from cnnlab.sealed import seal
from cnnlab.training.checkpoints import load_weights
from cnnlab.training.features import served
from cnnlab.training.process import without_idle_warnings
from cnnlab.training.run import build, run
from cnnlab.training.trainer import build_trainer

HEAD = [
    "data=digits",
    "data.size=32",
    "data.train_fraction=0.05",
    "data.validation=64",
    "data.test=100",
    "data.augment.shift=0",
    "data.augment.rotation=0",
    "model=resnet18",
    "model.last_stage=layer2",
    "model.trained=head",
    "schedule=constant",
    "trainer=cpu",
    "trainer.precision=32-true",
    "trainer.max_epochs=2",
    "logger=none",
]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def train(tmp_path, resnet18_file):
    """Train a head with a store of the test's own; gives the result, the folder and the kept files."""

    def go(name, *overrides):
        words = [*HEAD, f"model.weights={resnet18_file}", f"data.store={tmp_path}/store", *overrides]
        result = run(compose(words), tmp_path / name)
        return result, tmp_path / name, sorted((tmp_path / "store").glob("*-features-*.h5"))

    return go


@pytest.fixture
def serve(tmp_path, resnet18_file):
    """Prepare a training without doing it; gives what would be served, and the kept files."""

    def go(*overrides):
        cfg = compose([*HEAD, f"model.weights={resnet18_file}", f"data.store={tmp_path}/store", *overrides])
        check(cfg)
        data, model = build(cfg)
        data.prepare_data()
        data.setup()
        if not model.preprocess.all_fitted:
            model.preprocess.fit(data.training_blocks(64))
        node = cfg.callbacks.get("unfreeze")
        callbacks = [make("callbacks.unfreeze", node)] if node is not None else []
        with without_idle_warnings():
            trainer = build_trainer(cfg.trainer, model.network, tmp_path, callbacks=callbacks, loggers=[])
        return served(data, model, trainer), sorted((tmp_path / "store").glob("*-features-*.h5"))

    return go


def inputs(data):
    return next(iter(data.test_dataloader()))[0]


def outputs(folder):
    with h5py.File(folder / "predictions.h5") as predictions:
        return predictions["outputs"][:]


@pytest.mark.parametrize("head", [["model.hidden=[16]"], ["model.head=conv", "model.filters=8"]])
def test_the_finished_checkpoint_gives_the_same_from_raw_images(train, tmp_path, resnet18_file, head):
    lent = shutil.copy(resnet18_file, tmp_path / "lent.pth")
    result, folder, kept = train("run", *head, f"model.weights={lent}")
    assert len(kept) == 1
    Path(lent).unlink()  # the checkpoint holds the weights
    cfg = compose([*HEAD, *head, f"model.weights={lent}", f"data.store={tmp_path}/store"])
    with pytest.raises(UserError, match=r"lent\.pth: it is no file"):
        build(cfg)
    data, model = build(cfg, restored=True)
    load_weights(model, folder / "checkpoints" / "best.ckpt")
    weights = read(resnet18_file)
    for name, tensor in model.network.body.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    data.prepare_data()
    data.setup()
    rows = torch.from_numpy(data.splits.test.rows)
    raw = data.samples("train").inputs(rows, torch.Generator())
    with torch.no_grad():
        expected = model.eval()(raw).softmax(1).numpy()
    np.testing.assert_allclose(outputs(folder), expected, rtol=0, atol=1e-5)
    assert result.samples["test"] == len(expected) == 100


def test_training_on_features_is_training_on_images(train):
    kept, folder, _ = train("kept", "data.watch_test=true")
    plain, other, _ = train("plain", "data.watch_test=true", "model.cache_features=false")
    np.testing.assert_allclose(outputs(folder), outputs(other), rtol=0, atol=1e-4)
    assert kept.val["loss"] == pytest.approx(plain.val["loss"], abs=1e-4)
    assert kept.samples_per_second > plain.samples_per_second


def test_features_are_found_again_by_other_heads_seeds_and_folds(serve, caplog):
    caplog.set_level(logging.INFO, "cnnlab")
    folds = ["data.folds=3", "data.train_fraction=1"]
    serve(*folds)
    assert "features of 1797 images computed" in caplog.text
    caplog.clear()
    _, files = serve(*folds, "data.fold=1", "model.hidden=[8]", "seed=3", "optimizer.lr=0.1")
    assert "features of 1797 images read from" in caplog.text
    assert "computed" not in caplog.text
    assert len(files) == 1


def test_whatever_changes_the_features_has_a_file_of_its_own(serve, tmp_path, resnet18_file):
    state = torch.load(resnet18_file, weights_only=True)
    state["layer1.0.bn1.running_mean"] += 0.01  # no parameter, but a buffer
    torch.save(state, tmp_path / "other.pth")
    variants = [
        [],
        [f"model.weights={tmp_path}/other.pth"],
        ["model.last_stage=layer1"],
        ["model.head=conv", "model.filters=4"],
        ["model.preprocess=[scale]"],
        ["model.preprocess=[scale,featurewise_std]"],
        ["data.size=24"],
        ["data.train_fraction=0.06"],
        ["trainer.precision=bf16-mixed"],
    ]
    for number, variant in enumerate(variants, 1):
        _, files = serve(*variant)
        assert len(files) == number, variant


@pytest.mark.parametrize("harm", ["cut", "text", "key", "flip", "gone"])
def test_a_damaged_file_is_written_anew(serve, harm):
    data, (path,) = serve()
    whole, expected = path.read_bytes(), inputs(data)
    if harm == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif harm == "flip":
        path.write_bytes(whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:])
    elif harm == "text":
        path.write_text("no HDF5")
    elif harm == "key":
        seal(path, {"key": "of something else"})
    else:
        path.unlink()
        (path.parent / f".{path.stem}-12345678.h5").write_bytes(b"left by a kill")
    again, files = serve()
    assert files == [path]
    assert not list(path.parent.glob(".*.h5"))
    assert torch.equal(inputs(again), expected)


def test_mapped_features_are_the_same(serve):
    loaded, _ = serve()
    mapped, files = serve("data.memory=map")
    assert len(files) == 1
    assert torch.equal(inputs(mapped), inputs(loaded))


def test_batches_have_the_rows_of_the_images_and_their_order(serve):
    features, _ = serve("data.batch_size=32")
    images, _ = serve("data.batch_size=32", "model.cache_features=false")
    for loader in ("train_dataloader", "test_dataloader"):
        for (_, given), (_, expected) in zip(
            getattr(features, loader)(), getattr(images, loader)(), strict=True
        ):
            assert torch.equal(given, expected)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["model.trained=layer2"], "a part of the body is trained, since model.trained is not head"),
        (["data.augment.horizontal_flip=true"], "the training images are changed at random, by data.augment"),
        (["callbacks=unfreeze"], "the body is unfrozen later, by callbacks.unfreeze"),
    ],
)
def test_nothing_is_kept_where_features_change(serve, overrides, why):
    _, files = serve(*overrides)
    assert files == []
    with pytest.raises(UserError, match=rf"model\.cache_features=true: {why}"):
        serve(*overrides, "model.cache_features=true")


def test_a_trial_of_a_few_batches_computes_no_features(serve):
    for limit in ("1", "0.5"):
        _, files = serve(f"trainer.limit_train_batches={limit}")
        assert files == []
    _, files = serve("trainer.limit_train_batches=1", "model.cache_features=true")
    assert len(files) == 1


def test_a_folder_that_cannot_hold_them(serve, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cnnlab.training.features.write", full)
    with pytest.raises(
        TrainingError, match=r"cannot be kept there \(No space left on device.*data\.store=FOLD"
    ):
        serve()
