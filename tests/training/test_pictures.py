"""Runs whose targets are not classes: what they measure and write, and the figures that they draw."""

import shutil
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.metrics import r2_score, root_mean_squared_error
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnnlab.config.compose import compose
from cnnlab.data import tables
from cnnlab.data.digits import read_digits
from cnnlab.figures.images import CELL, GAP, HEADING_HEIGHT, NAME_WIDTH
from cnnlab.models.graph import can_draw_graphs
from cnnlab.training.build import build
from cnnlab.training.checkpoints import BestAndLast
from cnnlab.training.learning import Learning
from cnnlab.training.pictures import Outcome, first_batch, title_of
from cnnlab.training.run import run


@pytest.fixture
def no_graphs(monkeypatch):
    monkeypatch.setattr("cnnlab.training.pictures.can_draw_graphs", lambda: False)


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """Real digits, 300 to train and 100 to test, in the files of MNIST."""
    root = tmp_path_factory.mktemp("mnist")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images, labels = read_digits(28)
    for stem, part in (("train", slice(300)), ("t10k", slice(300, 400))):
        header = struct.pack(">IIII", 0x803, len(images[part]), 28, 28)
        (raw / f"{stem}-images-idx3-ubyte").write_bytes(header + images[part].tobytes())
        header = struct.pack(">II", 0x801, len(labels[part]))
        (raw / f"{stem}-labels-idx1-ubyte").write_bytes(header + labels[part].astype(np.uint8).tobytes())
    return [
        "data=mnist",
        f"data.root={root}",
        "data.verify=false",
        "data.batch_size=20",
        "trainer=cpu",
        "schedule=constant",
        "optimizer=adam",
        "optimizer.lr=0.003",
    ]


@pytest.fixture(scope="module")
def denoised(mnist, tmp_path_factory):
    """A short training of the autoencoder: result, folder, and the test images."""
    folder = tmp_path_factory.mktemp("runs") / "denoised"
    # A module's fixture comes before those of its tests, which keep the user's caches out.
    store = f"data.store={folder.parent}"
    words = [*mnist, store, "data.noise=0.5", "model=autoencoder", "model.channels=[8,8]"]
    return run(compose([*words, "trainer.max_epochs=4"]), folder), folder, read_digits(28)[0][300:400]


def saved(folder):
    with h5py.File(folder / "predictions.h5") as file:
        return {name: file[name][()] for name in file}


def test_noise_is_taken_off(denoised):
    result, folder, images = denoised
    found = saved(folder)
    clean = images.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(found["targets"], clean)
    assert found["outputs"].shape == clean.shape
    assert found["outputs"].dtype == np.float32
    assert found["rows"].tolist() == list(range(100))
    assert len(found["class_names"]) == 0
    # Deviation 0.5 cut off at 0 and 1 is a PSNR below 10 dB.
    assert result.test["psnr"] > 12
    assert result.parameters == (9 * 8 + 8) + 3 * (9 * 64 + 8) + (9 * 8 + 1)


def similarity(x, y):
    """SSIM as Wang et al. 2004 print it, by scipy: where the Gaussian window lies inside the image."""

    def mean(values):
        return gaussian_filter(values, sigma=1.5, radius=5)[5:-5, 5:-5]

    c1, c2 = 0.01**2, 0.03**2
    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    return np.mean((2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))


def test_the_metrics_of_pixels_are_what_numpy_computes(denoised):
    result, folder, _ = denoised
    outputs = saved(folder)["outputs"].astype(np.float64)
    truth = saved(folder)["targets"] / 255
    losses = -(truth * np.log(outputs) + (1 - truth) * np.log(1 - outputs))
    assert result.test["loss"] == pytest.approx(losses.mean(), rel=1e-4)
    assert result.test["accuracy"] == pytest.approx(np.mean(np.round(outputs) == truth))
    psnr = 10 * np.log10(1 / np.square(outputs - truth).mean((1, 2, 3)))
    assert result.test["psnr"] == pytest.approx(psnr.mean(), rel=1e-4)
    similar = [similarity(*pair) for pair in zip(outputs[:, 0], truth[:, 0], strict=True)]
    assert result.test["ssim"] == pytest.approx(np.mean(similar), abs=1e-4)


def test_the_best_epoch_has_the_least_loss(denoised):
    result, folder, _ = denoised
    table = np.genfromtxt(folder / "metrics.csv", delimiter=",", names=True)
    assert result.best_epoch == table["epoch"][np.argmin(table["valloss"])]
    assert set(result.val) == {"loss", "accuracy"}


def test_the_picture_shows_noisy_cleaned_and_clean(denoised):
    _, folder, images = denoised
    page = np.asarray(Image.open(folder / "figures" / "denoised.png").convert("L")).astype(int)
    side = CELL // 28 * 28

    def cell(row, column):
        top, left = HEADING_HEIGHT + row * (side + GAP), NAME_WIDTH + column * (side + GAP)
        return page[top : top + side : 4, left : left + side : 4]

    outputs = saved(folder)["outputs"]
    for column in range(8):
        clean = images[column, :, :, 0].astype(int)
        assert np.abs(cell(2, column) - clean).max() <= 1
        assert np.abs(cell(1, column) - 255 * outputs[column, 0]).max() <= 1.5
        assert 50 < np.abs(cell(0, column) - clean).mean() < 110


def test_tensorboard_has_the_noisy_batch_and_the_picture(denoised):
    _, folder, _ = denoised
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert set(events.Tags()["images"]) == {
        "first batch",
        "denoised",
        "learning curves",
        "responses",
        "first layer filters",
        *(["network"] if can_draw_graphs() else []),
        "last layer filters",
    }


def test_a_dense_network_takes_noise_off_too(mnist, tmp_path):
    words = [
        *mnist,
        "data.noise=0.5",
        "model=mlp",
        "model.hidden=[64]",
        "logger=none",
        "trainer.max_epochs=1",
    ]
    run(compose(words), tmp_path / "run")
    assert saved(tmp_path / "run")["outputs"].shape == (100, 1, 28, 28)


# Lightning with the newest torch, when it loads the state of several loaders.
@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_permutation_travels_in_the_checkpoint(mnist, tmp_path):
    words = [*mnist, "data.permute_pixels=true", "model=linear", "logger=none"]
    trained = run(compose([*words, "trainer.max_epochs=2"]), tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    tested = shutil.copy(path, tmp_path)
    kept = torch.load(path, weights_only=True)["MNIST"]["permutation"]
    # Of another seed, which would draw another permutation.
    data, model = build(compose([*words, "data.split_seed=7"]))
    data.prepare_data()
    data.setup()
    assert not torch.equal(data.permutation, kept)
    callbacks = [BestAndLast(path.parent, monitor="auto"), Learning()]
    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_progress_bar=False, callbacks=callbacks
    )
    trainer.fit(model, datamodule=data, ckpt_path=path)
    assert torch.equal(data.permutation, kept)
    order = trainer.train_dataloader.samples.permutation
    assert torch.equal(order, kept)
    evaluated, again = build(compose([*words, "data.split_seed=7"]))
    trainer.test(again, datamodule=evaluated, ckpt_path=tested, verbose=False)
    right = torch.cat(again.kept_outputs).argmax(1) == torch.cat(again.kept_targets)
    assert right.double().mean().item() == pytest.approx(trained.test["accuracy"])
    assert trained.test["accuracy"] > 0.5


VALUES = ["model=linear", "optimizer=adam", "schedule=constant", "trainer=cpu", "logger=none"]


def test_values_are_saved_and_drawn(tmp_path, no_graphs):
    words = ["data=boston", "optimizer.lr=0.1", "trainer.max_epochs=10"]
    result = run(compose([*VALUES, *words]), tmp_path)
    found = saved(tmp_path)
    assert found["targets"].shape == found["outputs"].shape == (101, 1)
    assert result.test["rmse"] == pytest.approx(root_mean_squared_error(found["targets"], found["outputs"]))
    assert result.test["r2"] == pytest.approx(r2_score(found["targets"], found["outputs"]))
    figures = sorted(path.name for path in (tmp_path / "figures").iterdir())
    drawn = ["learning_curves", "predicted_against_true", "residuals", "target_against_features"]
    assert figures == sorted(f"{name}{twin}.png" for name in drawn for twin in ("", "_dark"))


def test_a_run_is_called_by_what_was_chosen():
    words = ["data=digits", "data.size=8", "model=linear", "seed=3"]
    cfg = compose(words)
    _, model = build(cfg)
    assert title_of(model, cfg, words) == "linear on digits, seed 3"
    assert title_of(model, cfg, ["experiment=pima"]).startswith("mlp on digits"), "what an experiment chose"
    assert title_of(model, cfg) == "MLP on digits, seed 3"


def drawn_for(*words):
    """Data, and the figures of a network that is right about everything but its first sample."""
    data, model = build(compose(list(words)))
    data.prepare_data()
    data.setup()
    targets = data.samples("test" if "test" in data.read else "train").targets
    targets = targets[torch.from_numpy(data.splits.test.rows)]
    outputs = targets.clone()
    outputs[0] += 1
    drawings = Outcome(data, model, targets, outputs, {}, title="test").drawings()
    return data, {name: draw() for name, draw in drawings.items()}


def test_prices_stand_against_each_feature_in_its_own_units(no_graphs):
    data, figures = drawn_for("data=boston", "model=linear")
    assert list(figures) == ["predicted against true", "residuals", "target against features"]
    panels = figures["target against features"].axes
    assert [axes.get_xlabel().partition(" (")[0] for axes in panels] == list(data.spec.feature_names)
    assert (panels[-1].get_xlabel(), panels[0].get_ylabel()) == ("LSTAT (%)", "MEDV (1000 $)")
    lstat = np.asarray(panels[-1].lines[0].get_xdata())
    table = np.loadtxt(Path(tables.__file__).parent / "housing.csv", delimiter=",")
    np.testing.assert_allclose(lstat, table[data.splits.test.rows, 12], rtol=1e-6)


@pytest.mark.skipif(not can_draw_graphs(), reason="torchview or Graphviz is not installed")
def test_a_network_is_drawn_in_its_own_pixels_and_a_large_one_by_its_blocks():
    heights = {}
    for name in ("linear", "resnet18", "resnet50"):
        pretrained = [] if name == "linear" else ["model.weights=null"]
        data, model = build(compose(["data=digits", f"model={name}", *pretrained]))
        outputs = torch.eye(10)
        figure = Outcome(data, model, outputs.argmax(1), outputs, {}, title="test").network()
        (drawn,) = figure.axes[0].images
        left, right, bottom, top = drawn.get_extent()
        assert drawn.get_array().shape[:2] == (bottom - top, right - left)
        heights[name] = bottom - top
    assert heights["linear"] < heights["resnet18"] < 3000
    assert heights["resnet50"] < 5000, "16 blocks and not 50 layers"


def test_one_step_of_the_logistic_map_shows_its_parabola():
    _, figures = drawn_for("data=logistic_map", "model=mlp")
    (axes,) = figures["target against features"].axes
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(y, 4 * np.asarray(x) * (1 - np.asarray(x)), atol=1e-6)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x(t)", "x(t+1)")


def test_the_path_of_the_logistic_map_shows_the_error_by_time():
    data, figures = drawn_for("data=logistic_map", "data.predict=path", "data.steps=6", "model=mlp")
    axes = figures["error against t"].axes[0]
    times, errors = next(line for line in axes.lines if line.get_label() == "network, RMSE").get_data()
    assert list(times) == [1, 2, 3, 4, 5, 6]
    first = int(data.read["test"].features[0, 1])
    assert [time for time, error in zip(times, errors, strict=True) if error > 0] == [first]


def test_tables_have_no_first_batch_of_pictures():
    assert first_batch(build(compose(["data=boston", "model=linear"]))[0]) is None
