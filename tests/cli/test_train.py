import csv
import json
import logging
import os
import signal
import subprocess
import sys
import warnings

import h5py
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnnlab.errors import TrainingError

SMALL = ("data.size=8", "model=linear", "trainer=cpu", "trainer.max_epochs=2")
QUIET = (*SMALL, "logger=none")
RESULT_KEYS = {
    *("status", "val", "test", "best_epoch", "epochs", "seconds", "samples_per_second", "parameters"),
    *("seed", "device", "precision", "versions", "git", "config_fingerprint", "data_fingerprint"),
}
LEFT = {
    *("config.yaml", "overrides.yaml", "cnnlab.log", "metrics.csv", "result.json"),
    *("checkpoints/best.ckpt", "checkpoints/last.ckpt", "predictions.h5"),
    *("figures/learning_curves.png", "figures/confusion_matrix.png"),
}


def environment(folder):
    names = {name: value for name, value in os.environ.items() if name != "CNNLAB_DATA"}
    return names | {"XDG_CACHE_HOME": str(folder / "caches"), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A run of the real command line: how it ended, and its folder."""
    cwd = tmp_path_factory.mktemp("real")
    words = (*SMALL, "data.watch_test=true", "hydra.run.dir=here/it is")
    ended = subprocess.run(
        [sys.executable, "-m", "cnnlab", *words],
        cwd=cwd,
        env=environment(cwd),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended, cwd / "here" / "it is"


def events(folder):
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def test_a_run_leaves_all_its_files_in_its_folder(real):
    _, folder = real
    left = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert left >= LEFT
    assert all((folder / name).stat().st_size for name in LEFT)
    assert {path.name for path in folder.parents[1].iterdir()} == {"here", "caches"}


def test_without_a_terminal_it_prints_a_line_per_epoch_the_result_and_the_folder(real):
    ended, folder = real
    lines = ended.stdout.splitlines()
    assert [line.partition(",")[0] for line in lines[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert "val accuracy" in lines[0]
    assert lines[-1] == f"folder: {folder}"
    assert "test accuracy" in ended.stdout
    promised = [line for line in lines if not line.startswith("not promised: ")]
    assert len(promised) == 5
    assert ended.stderr == ""


def test_the_config_and_the_overrides_are_kept(real):
    _, folder = real
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (config["data"]["size"], config["trainer"]["max_epochs"], config["seed"]) == (8, 2, 0)
    assert "hydra" not in config
    overrides = yaml.safe_load((folder / "overrides.yaml").read_text())
    assert overrides == [*SMALL, "data.watch_test=true"]


def test_the_result_has_every_key_and_agrees_with_the_metrics(real):
    _, folder = real
    result = json.loads((folder / "result.json").read_text())
    assert set(result) >= RESULT_KEYS
    assert result["status"] == "finished"
    assert result["parameters"] == 64 * 10 + 10
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    best = max(rows, key=lambda row: float(row["val/accuracy"]))
    assert result["best_epoch"] == int(best["epoch"])
    assert result["val"]["accuracy"] == float(best["val/accuracy"])
    assert result["test"]["accuracy"] == pytest.approx(float(best["watched_test/accuracy"]))


def test_the_predictions_give_the_tests_accuracy(real):
    _, folder = real
    result = json.loads((folder / "result.json").read_text())
    with h5py.File(folder / "predictions.h5") as file:
        right = (file["outputs"][:].argmax(1) == file["targets"][:]).mean()
    assert right == pytest.approx(result["test"]["accuracy"])


def test_tensorboard_overlays_the_curves_of_the_parts(real):
    _, folder = real
    parts = {name: events(folder / "tensorboard" / name) for name in ("train", "val", "test")}
    for name, part in parts.items():
        assert set(part.Tags()["scalars"]) >= {"loss", "accuracy"}, name
        assert [event.step for event in part.Scalars("accuracy")] == [1, 2], name
    assert "learning rate" in parts["train"].Tags()["scalars"]
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    logged = [event.value for event in parts["val"].Scalars("loss")]
    assert logged == pytest.approx([float(row["val/loss"]) for row in rows])


def test_tensorboard_has_the_network_the_first_batch_and_the_hyperparameters(real):
    _, folder = real
    whole = events(folder / "tensorboard")
    tags = whole.Tags()
    assert any(tag.startswith("network") for tag in tags["tensors"])
    assert any(tag.startswith("first batch") for tag in tags["images"])
    plugin = whole.summary_metadata["_hparams_/session_start_info"].plugin_data
    assert plugin.plugin_name == "hparams"
    # What was typed, and nothing of the hundred settings that were not.
    assert b"data.size" in plugin.content
    assert b"optimizer.lr" not in plugin.content
    result = json.loads((folder / "result.json").read_text())
    final = [event.value for event in whole.Scalars("final test accuracy")]
    assert final == pytest.approx([result["test"]["accuracy"]])


def test_the_log_says_what_was_typed_and_how_it_ended(real):
    _, folder = real
    log = (folder / "cnnlab.log").read_text()
    assert "started: data.size=8 model=linear" in log
    assert "finished: 2 epochs" in log


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_mid_training_saves_its_state_and_says_where(tmp_path, number, code):
    words = (*QUIET, "trainer.max_epochs=1000000", "hydra.run.dir=run")
    with subprocess.Popen(
        [sys.executable, "-m", "cnnlab", *words],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell may have started us with Ctrl-C ignored, which a child inherits.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        next(line for line in process.stdout if line.startswith("epoch 3/"))
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert process.returncode == code
    assert f"the last checkpoint is {last}; to go on: python -m cnnlab resume " in err
    assert last.exists()
    assert "Traceback" not in err
    assert json.loads((tmp_path / "run" / "result.json").read_text())["status"] == "interrupted"


def test_a_run_folder_is_made_by_day_and_hour_unless_it_is_named(cnnlab, tmp_path):
    code, out, _ = cnnlab(*QUIET)
    assert code == 0
    (result,) = tmp_path.glob("outputs/*/*_linear_digits/result.json")
    assert f"folder: {result.parent}" in out


def test_the_verb_may_be_typed(cnnlab, tmp_path):
    assert cnnlab("train", *QUIET, "hydra.run.dir=run")[0] == 0
    assert (tmp_path / "run" / "result.json").exists()


def test_a_training_that_fails_is_one_sentence_and_code_1(cnnlab, tmp_path):
    code, _, err = cnnlab(*QUIET, "optimizer=sgd", "optimizer.lr=1e38", "hydra.run.dir=run")
    assert code == 1
    assert err.startswith("cnnlab: the training loss is inf at step ")
    assert err.count("\n") == 1
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "failed"
    assert "the training loss is inf" in result["reason"]
    assert "failed: the training loss is inf" in (tmp_path / "run" / "cnnlab.log").read_text()


def test_data_that_cannot_be_read_is_a_mistake_that_the_folder_records(cnnlab, tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        (tmp_path / "pictures" / name / "1.png").write_text("no picture")
    words = ("data=image_folder", "data.path=pictures", "model=linear", "logger=none", "hydra.run.dir=run")
    code, _, err = cnnlab(*words)
    assert code == 2
    assert "1.png" in err
    assert err.count("\n") == 1
    assert json.loads((tmp_path / "run" / "result.json").read_text())["status"] == "failed"


def test_an_interruption_before_the_first_checkpoint_says_so(cnnlab, monkeypatch):
    def interrupted(cfg, folder, **given):
        raise KeyboardInterrupt

    monkeypatch.setattr("cnnlab.training.run.run", interrupted)
    code, _, err = cnnlab(*QUIET)
    assert code == 130
    assert "there is no checkpoint yet" in err


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (OSError(28, "No space left on device", "last.ckpt"), 1),
        (TrainingError("the device ran out of memory."), 1),
        (SystemExit(143), 143),
    ],
)
def test_how_a_run_ends_is_its_code(cnnlab, monkeypatch, raised, code):
    def ends(cfg, folder, **given):
        raise raised

    monkeypatch.setattr("cnnlab.training.run.run", ends)
    ended, _, err = cnnlab(*QUIET)
    assert ended == code
    assert "Traceback" not in err


def test_an_error_of_our_own_is_not_hidden(cnnlab, monkeypatch, tmp_path):
    def broken(cfg, folder, **given):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("cnnlab.training.run.run", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        cnnlab(*QUIET, "hydra.run.dir=run")
    assert "ZeroDivisionError: a bug" in (tmp_path / "run" / "cnnlab.log").read_text()


def test_a_warning_is_seen_once_and_kept_in_the_log(cnnlab, monkeypatch, tmp_path):
    message = "the moon " + "is full"

    def warns(cfg, folder, **given):
        warnings.warn(message, stacklevel=1)
        raise TrainingError("enough.")

    monkeypatch.setattr("cnnlab.training.run.run", warns)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        _, out, err = cnnlab(*QUIET, "hydra.run.dir=run")
    assert (out + err).count(message) == 1
    assert message in (tmp_path / "run" / "cnnlab.log").read_text()


@pytest.mark.parametrize(
    "words", [["optimizer.lr=1e-9"], ["-m", "seed=1,2"], ["seed=1", "data.batch_size=0"]]
)
def test_nothing_of_hydra_stays_in_the_process(cnnlab, monkeypatch, words):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    root = logging.getLogger()
    before = (list(sys.argv), dict(os.environ), list(root.handlers), root.level, warnings.showwarning)
    cnnlab(*QUIET, *words)
    assert (list(sys.argv), dict(os.environ), list(root.handlers), root.level, warnings.showwarning) == before
    assert not GlobalHydra.instance().is_initialized()
    assert not HydraConfig.initialized()


def test_a_folder_that_holds_a_run_is_left_alone(cnnlab, tmp_path):
    words = ("data.size=8", "model=linear", "trainer=cpu", "trainer.max_epochs=1", "hydra.run.dir=run")
    assert cnnlab(*words)[0] == 0
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file() and path.name != "cnnlab.log"]
    before = {path: path.read_bytes() for path in files}
    code, _, err = cnnlab(*words, "seed=1")
    assert code == 2
    assert "run: there is a run in this folder already. `resume" in err
    assert {path: path.read_bytes() for path in files} == before
