import csv
import json

import h5py
import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss, top_k_accuracy_score

from cnnlab.config.compose import compose
from cnnlab.data.stored import StoredDataModule
from cnnlab.errors import TrainingError, UserError
from cnnlab.training.checkpoints import load_weights
from cnnlab.training.folder import RunFolder
from cnnlab.training.run import build, run, weights_fingerprint

CONV = ["model=convnet", "model.features=[8,P]", "model.classifier=[]", "model.dropout_pool=0.2"]


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_a_run_learns_and_says_so(trained):
    result, folder = trained("run", "model=mlp", "trainer.max_epochs=5")
    said = json.loads((folder / "result.json").read_text())
    assert said["status"] == "finished"
    assert said["test"]["accuracy"] > 0.9
    assert said["epochs"] == 5
    assert 1 <= said["best_epoch"] <= 5
    assert said["followed"] == "val/accuracy"
    assert said["samples"] == {"train": 1294, "val": 144, "test": 359}
    assert said["parameters"] == 64 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10
    assert said["samples_per_second"] > 0
    assert (said["device"], said["precision"]) == ("cpu", "32-true")
    assert set(said["versions"]) >= {"python", "torch", "pytorch-lightning", "hydra-core"}
    assert result.test == said["test"]


def test_the_result_is_what_scikit_learn_computes_from_the_predictions(trained):
    result, folder = trained("run", "model=linear")
    with h5py.File(folder / "predictions.h5") as file:
        targets, outputs = file["targets"][:], file["outputs"][:]
        assert [name.decode() for name in file["class_names"]] == list("0123456789")
        assert len(np.unique(file["rows"])) == len(targets) == 359
    assert outputs.sum(1) == pytest.approx(1, abs=1e-5)
    predicted = outputs.argmax(1)
    assert result.test["accuracy"] == pytest.approx(accuracy_score(targets, predicted))
    assert result.test["f1_macro"] == pytest.approx(f1_score(targets, predicted, average="macro"), rel=1e-5)
    assert result.test["loss"] == pytest.approx(log_loss(targets, outputs), rel=1e-4)
    assert result.test["top_5_accuracy"] == pytest.approx(top_k_accuracy_score(targets, outputs, k=5))


def test_the_best_epochs_weights_are_restored_and_tested(trained, tmp_path):
    # A rate that is far too high at the end: the last epoch is not the best one.
    rising = ["optimizer=sgd", "schedule=step_halving", "schedule.factor=1.0", "optimizer.lr=2.0"]
    result, folder = trained("run", "model=mlp", "trainer.max_epochs=6", *rising)
    rows = rows_of(folder)
    best = max(rows, key=lambda row: (row["val/accuracy"], row["epoch"]))
    assert result.best_epoch == best["epoch"]
    assert result.val["accuracy"] == pytest.approx(best["val/accuracy"])
    cfg = compose([*("data=digits", "data.size=8", "model=mlp")])
    data, model = build(cfg)
    load_weights(model, folder / "checkpoints" / "best.ckpt")
    assert weights_fingerprint(model) == result.weights_fingerprint
    data.prepare_data()
    data.setup()
    samples = data.samples("train")
    images, labels = samples.images, samples.targets
    part = torch.from_numpy(data.splits.test.rows)
    with torch.no_grad():
        right = model.eval()(images[part].permute(0, 3, 1, 2)).argmax(1) == labels[part]
    assert right.double().mean().item() == pytest.approx(result.test["accuracy"])


def test_metrics_are_means_over_all_samples(trained):
    # With a rate of zero nothing is learnt, so the epoch's mean must be that of the whole training part.
    _, folder = trained("run", "model=linear", "optimizer.lr=1e-30", "data.batch_size=100")
    data, model = build(compose(["data=digits", "data.size=8", "model=linear"]))
    data.prepare_data()
    data.setup()
    samples = data.samples("train")
    images, labels = samples.images, samples.targets
    for name in ("train", "val"):
        part = torch.from_numpy(getattr(data.splits, name).rows)
        with torch.no_grad():
            outputs = model(images[part].permute(0, 3, 1, 2))
        loss = torch.nn.functional.cross_entropy(outputs, labels[part]).item()
        assert rows_of(folder)[0][f"{name}/loss"] == pytest.approx(loss, rel=1e-5)


def test_the_same_command_gives_the_same_bits_and_another_seed_does_not(trained):
    augmented = ["data.augment.shift=1", "data.augment.horizontal_flip=true"]
    prints = [
        trained(f"run{i}", *CONV, *augmented, f"seed={seed}")[0].weights_fingerprint
        for i, seed in enumerate([0, 0, 1])
    ]
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


def test_the_order_of_the_data_does_not_touch_the_first_weights(trained):
    _, first = build(compose(["model=deep_cnn", "data=digits"]))
    _, again = build(compose(["model=deep_cnn", "data=digits", "data.seed=5", "data.batch_size=3"]))
    assert weights_fingerprint(first) == weights_fingerprint(again)


def test_a_fitted_preprocessing_travels_in_the_checkpoint(trained):
    _, folder = trained("run", *CONV, "model.preprocess=[featurewise_center,zca]")
    state = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert state["preprocess.zca_matrix"].shape == (64, 64)
    assert not torch.equal(state["preprocess.zca_matrix"], torch.eye(64))


def test_preprocessing_is_fitted_on_the_training_part_alone(trained):
    _, folder = trained("run", "model=linear", "model.preprocess=[featurewise_center]")
    state = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    data, _ = build(compose(["data=digits", "data.size=8", "model=linear"]))
    data.prepare_data()
    data.setup()
    images = data.samples("train").images
    mean = images[torch.from_numpy(data.splits.train.rows)].double().mean().item()
    assert state["preprocess.mean"].item() == pytest.approx(mean, rel=1e-6)
    assert abs(mean - images.double().mean().item()) > 1e-4


def test_the_watched_test_error_is_drawn_but_chooses_nothing(trained):
    watched, folder = trained("watched", "model=linear", "data.watch_test=true")
    plain, _ = trained("plain", "model=linear")
    assert watched.weights_fingerprint == plain.weights_fingerprint
    assert watched.best_epoch == plain.best_epoch
    last = rows_of(folder)[watched.best_epoch - 1]
    assert last["watched_test/accuracy"] == pytest.approx(watched.test["accuracy"])


def test_the_last_epoch_can_be_tested_instead_of_the_best(trained):
    last, folder = trained("last", "model=linear", "callbacks=last", "data.watch_test=true")
    assert last.best_epoch is None
    row = rows_of(folder)[-1]
    assert last.test["accuracy"] == pytest.approx(row["watched_test/accuracy"])
    assert last.val == {"loss": row["val/loss"], "accuracy": row["val/accuracy"]}


def test_early_stopping_stops_and_keeps_the_best(trained):
    stopping = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1"]
    result, _ = trained("run", "model=linear", "optimizer.lr=1e-30", "trainer.max_epochs=30", *stopping)
    # Nothing is learnt, so both epochs are equal, and of equals the later is kept.
    assert (result.epochs, result.best_epoch) == (2, 2)


def test_early_stopping_of_values_looks_for_the_lowest_loss(tmp_path):
    words = ["data=boston", "model=linear", "trainer=cpu", "logger=none", "schedule=constant"]
    words += ["optimizer.lr=0.1", "trainer.max_epochs=200", "callbacks=early_stopping"]
    result = run(compose([*words, "callbacks.early_stopping.patience=5"]), tmp_path / "run")
    losses = [row["val/loss"] for row in rows_of(tmp_path / "run")]
    lowest = losses.index(min(losses))
    # The loss fell for longer than the patience, so what is looked at was to fall.
    assert lowest > 5
    assert result.epochs == len(losses) == lowest + 1 + 5 < 200
    assert result.best_epoch == lowest + 1
    assert result.val["loss"] == min(losses)


def test_an_l2_penalty_shrinks_the_kernels(trained):
    norms = []
    for l2 in (0.0, 0.1):
        _, folder = trained(f"l2_{l2}", "model=linear", f"model.l2={l2}")
        state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        norms.append(state["network.layers.output.weight"].norm().item())
    assert norms[1] < 0.7 * norms[0]


@pytest.mark.parametrize("schedule", ["step_halving", "time_decay", "cosine", "one_cycle", "plateau"])
def test_every_schedule_trains_and_its_rate_is_logged(trained, schedule):
    _, folder = trained("run", "model=linear", f"schedule={schedule}", "trainer.max_epochs=3")
    rates = [row["lr"] for row in rows_of(folder)]
    assert len(rates) == 3
    assert all(rate > 0 for rate in rates)
    if schedule in ("cosine", "one_cycle", "time_decay"):
        assert len(set(rates)) == 3


@pytest.mark.parametrize("optimizer", ["sgd", "sgd_nesterov", "rmsprop", "adam", "adamw"])
def test_every_optimizer_learns(trained, optimizer):
    _, folder = trained("run", "model=linear", f"optimizer={optimizer}", "trainer.max_epochs=3")
    rows = rows_of(folder)
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]


def test_checkpoints_hold_tensors_and_plain_containers_alone(trained):
    _, folder = trained("run", *CONV, "schedule=one_cycle")
    for name in ("best", "last"):
        state = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert state["optimizer_states"]
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_a_loss_that_is_no_number_is_a_failed_training(trained, tmp_path):
    with pytest.raises(TrainingError, match="loss is"):
        trained("run", "model=linear", "optimizer=sgd", "optimizer.lr=1e38")
    said = json.loads((tmp_path / "run" / "result.json").read_text())
    assert said["status"] == "failed"
    assert "TrainingError" in said["reason"]


def test_a_wrong_rate_is_refused_before_the_data_is_read(trained, tmp_path):
    with pytest.raises(UserError, match=r"optimizer\.lr=-1: "):
        run(compose(["optimizer.lr=-1", "data=cifar10", f"data.root={tmp_path}/nowhere"]), tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_model_that_cannot_take_the_data_is_refused_by_the_layer(tmp_path):
    cfg = compose(["model=vgg_like", "data=mnist", "model.pool_size=3", f"data.root={tmp_path}/nowhere"])
    with pytest.raises(UserError, match=r"model\.features\[9\] \(P\)"):
        run(cfg, tmp_path / "run")


def test_a_few_batches_are_enough_to_try_everything(trained):
    result, folder = trained("run", "trainer=debug", *CONV)
    assert result.status == "finished"
    assert result.epochs == 2
    assert not (folder / "tensorboard").exists()


def test_a_run_keeps_no_secret_of_the_environment(trained, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "s3cret-of-the-environment")
    _, folder = trained("one", "model=mlp", "model.hidden=[5]", "logger=tensorboard")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not [path for path in files if b"s3cret-of-the-environment" in path.read_bytes()]


def test_a_share_of_the_test_that_leaves_nothing_is_refused_before_the_training(trained, tmp_path):
    said = r"^trainer\.limit_test_batches=0\.001: not one of \d+ batch(es)? is left; allowed is a share of "
    with pytest.raises(UserError, match=said):
        trained("run", "model=linear", "trainer.limit_test_batches=0.001")
    assert not list(tmp_path.glob("**/best.ckpt"))


def test_a_result_stays_readable_however_many_files_were_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(StoredDataModule, "skipped", tuple(f"{'folder/' * 20}{i}.png" for i in range(20_000)))
    words = [
        "data=digits",
        "data.size=8",
        "model=linear",
        "trainer=cpu",
        "logger=none",
        "trainer.max_epochs=1",
    ]
    run(compose(words), tmp_path / "run")
    found = RunFolder(tmp_path / "run").result()
    assert found is not None
    assert len(found["skipped"]) == 201
    assert found["skipped"][-1] == "and 19,800 others"
    assert "20000 unreadable files were left out" in found["caveats"]
