import json
import logging
import os
import signal

import pytest

from cnnlab.__main__ import main
from cnnlab.cli.reproduce import train
from cnnlab.config.compose import compose
from cnnlab.models.module import NetworkModule


@pytest.fixture
def reproduce(tmp_path, capsys):
    def call(*words):
        folders = ["--results", str(tmp_path / "results"), "--runs", str(tmp_path / "runs")]
        code = main(["reproduce", *folders, *words])
        return code, capsys.readouterr()

    return call


def test_rows_end_in_a_table_a_record_and_a_page(reproduce, tmp_path):
    code, said = reproduce("boston_linear", "trainer.max_epochs=2", "--seeds", "1", "logger=none")
    assert code == 0
    assert said.out.splitlines()[-2].startswith("boston_linear")
    record = json.loads((tmp_path / "results" / "boston_linear.json").read_text())
    assert len(record["cases"][""]["values"]) == 1
    assert "## boston_linear" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "results" / "boston_linear.png").exists()


def test_of_each_run_there_is_one_line_and_no_word_from_lightning(reproduce, caplog):
    caplog.set_level(logging.INFO, logger="pytorch_lightning")
    code, said = reproduce("boston_linear", "--seeds", "1")
    assert code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith("boston_linear seed=0 data.split_seed=0: test/rmse ")
    assert lines[1].startswith("row ")
    assert not caplog.records
    assert not said.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mnist_mpl"], "mnist_mpl: there is no such row; did you mean mnist_mlp?"),
        (["xor", "model.l2=1"], "model.l2: not for all rows at once"),
        (["xor", "--sedes", "1"], "reproduce: unrecognized arguments: --sedes"),
        (["xor", "--seeds", "0"], "--seeds=0: at least 1."),
        (["xor", "--seeds", "many"], "invalid int value"),
        (
            ["xor", "--runs", __file__],
            "test_reproduce.py: there can be no folder (Not a directory); --runs=FOLDER",
        ),
        (
            ["xor", "--results", "/dev/null/x"],
            "--results=/dev/null/x: there can be no folder (Not a directory)",
        ),
        (["xor", "trainer.max_epochs=abc"], "trainer.max_epochs=abc: allowed is a whole number"),
        (["xor", "trainer.max_epochs=0"], "(in the row xor)"),
        (
            ["mnist_mlp", f"data.root={__file__}"],
            "test_reproduce.py: there can be no folder (Not a directory)",
        ),
    ],
)
def test_a_mistake_is_one_sentence(reproduce, tmp_path, words, sentence):
    code, said = reproduce(*words)
    assert code == 2
    assert sentence in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "results").exists()


def test_a_training_that_was_interrupted_is_gone_on_with(three_epochs, tmp_path, monkeypatch):
    cfg = compose([*three_epochs, "callbacks.checkpoint.every_seconds=0"])
    train(cfg, tmp_path / "whole")
    steps = []

    def training_step(self, batch, batch_idx):
        steps.append(self.trainer.global_step)
        if steps == list(range(6)):
            raise KeyboardInterrupt
        return original(self, batch, batch_idx)

    original = NetworkModule.training_step
    training_step.__signature__ = original.__signature__
    monkeypatch.setattr(NetworkModule, "training_step", training_step)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(cfg, tmp_path / "broken")
    train(cfg, tmp_path / "broken")
    assert steps[6] == 5
    whole, broken = (json.loads((tmp_path / one / "result.json").read_text()) for one in ("whole", "broken"))
    assert broken["weights_fingerprint"] == whole["weights_fingerprint"]


def test_a_row_whose_data_could_not_be_had_is_tried_where_it_is_named(reproduce, tmp_path):
    words = ["birds_finetune_conv", "--seeds", "1", "--without-variants"]
    code, said = reproduce(*words, f"data.root={tmp_path / 'nowhere'}")
    assert code == 1
    assert "birds_finetune_conv : " in said.out
    assert said.out.splitlines()[-2].split()[:3] == ["birds_finetune_conv", "0.1678", "not"]
    assert not (tmp_path / "results" / "birds_finetune_conv.json").exists()


def test_an_interruption_says_how_to_go_on(reproduce, monkeypatch):
    def interrupted(self, batch, batch_idx):
        os.kill(os.getpid(), signal.SIGINT)
        return original(self, batch, batch_idx)

    original = NetworkModule.training_step
    interrupted.__signature__ = original.__signature__
    monkeypatch.setattr(NetworkModule, "training_step", interrupted)
    code, said = reproduce("boston_linear", "--seeds", "1")
    assert code == 130
    assert said.err == "cnnlab: interrupted; the same command goes on where it stopped.\n"
    code, said = reproduce("boston_linear", "--seeds", "1", "--again")
    assert code == 130
    assert said.err == "cnnlab: interrupted; the same command, without --again, goes on where it stopped.\n"


def test_the_records_may_lie_in_the_folder_where_one_stands(tmp_path, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    words = ["boston_linear", "--seeds", "1", "trainer.max_epochs=2", "logger=none"]
    assert main(["reproduce", "--results", ".", "--runs", "runs", *words]) == 0
    assert "(here/boston_linear.png)" in (tmp_path / "here.md").read_text()


def test_a_row_that_is_not_a_training_is_passed_over(reproduce, tmp_path):
    code, said = reproduce("hdf5_export")
    assert code == 0
    assert "hdf5_export: a command on a run: `python -m cnnlab export RUN --to h5`" in said.out
    assert "not run" in said.out
    assert not (tmp_path / "results").exists()
