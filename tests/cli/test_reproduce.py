import json

import pytest

from cnnlab.__main__ import main


@pytest.fixture
def reproduce(tmp_path, capsys):
    def call(*words):
        folders = ["--results", str(tmp_path / "results"), "--runs", str(tmp_path / "runs")]
        code = main(["reproduce", *words, *folders])
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


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mnist_mpl"], "mnist_mpl: there is no such row; did you mean mnist_mlp?"),
        (["xor", "model.l2=1"], "model.l2: not for all rows at once"),
        (["xor", "--sedes", "1"], "reproduce: unrecognized arguments: --sedes"),
        (["xor", "--seeds", "0"], "--seeds=0: at least 1."),
        (["xor", "--seeds", "many"], "invalid int value"),
    ],
)
def test_a_mistake_is_one_sentence(reproduce, tmp_path, words, sentence):
    code, said = reproduce(*words)
    assert code == 2
    assert sentence in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "results").exists()


def test_a_row_that_is_not_a_training_is_passed_over(reproduce, tmp_path):
    code, said = reproduce("birds_finetune_conv")
    assert code == 0
    assert "not run" in said.out
    assert not (tmp_path / "results").exists()
