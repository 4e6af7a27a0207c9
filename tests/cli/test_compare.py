import json
import shutil

import pytest

from cnnlab.config.compose import compose
from cnnlab.training.folder import RESULT, RunFolder
from cnnlab.training.result import Result


@pytest.fixture
def runs(tmp_path):
    """Two runs as a training leaves them, apart from each other."""
    for name, lr, accuracy in (("a", 0.1, 0.75), ("b", 0.01, 0.5)):
        told = ["model=linear", f"optimizer.lr={lr}"]
        RunFolder(tmp_path / name).write_config(compose(told), told)
        result = Result("finished", None, {"accuracy": accuracy}, {"accuracy": accuracy}, "val/accuracy")
        result.write(tmp_path / name / RESULT)


@pytest.mark.usefixtures("runs")
def test_two_runs_are_set_side_by_side(cnnlab):
    code, out, err = cnnlab("compare", "b", "a")
    assert (code, err) == (0, "")
    assert [line.split()[:3] for line in out.splitlines()[1:3]] == [
        ["0.1", "0.7500", "0.7500"],
        ["0.01", "0.5000", "0.5000"],
    ]
    assert "the first setting, lr=0.01, has 2 times its error" in out
    assert "one run of each is too few to tell" in out


@pytest.mark.usefixtures("runs")
def test_a_folder_given_twice_counts_once(cnnlab, tmp_path):
    assert cnnlab("compare", "a", "b", str(tmp_path))[1] == cnnlab("compare", "a", "b")[1]


@pytest.mark.usefixtures("runs")
def test_equal_errors_are_said_to_be_equal(cnnlab, tmp_path):
    path = tmp_path / "a" / RESULT
    path.write_text(json.dumps(json.loads(path.read_text()) | {"test": {"accuracy": 0.5}}))
    assert "the first setting, lr=0.01, has as much error as it; " in cnnlab("compare", "b", "a")[1]


@pytest.mark.usefixtures("runs")
def test_a_copy_of_a_run_counts_once(cnnlab, tmp_path):
    path = tmp_path / "a" / RESULT
    found = {f"{name}_fingerprint": name for name in ("config", "data", "weights")}
    path.write_text(json.dumps(json.loads(path.read_text()) | found))
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    code, out, err = cnnlab("compare", "a", "b", "c")
    assert (code, err) == (0, "cnnlab: 1 run is the copy of another and is left out.\n")
    assert out == cnnlab("compare", "a", "b")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "compare: which?"),
        (["nowhere"], "nowhere: there is no such folder"),
        (["empty"], "empty: there is no run in it"),
        (
            ["a", "--by", "optimizer.rl"],
            "--by optimizer.rl: no run has such a setting; did you mean optimizer.lr?",
        ),
        (["a", "--bye", "x"], "compare: unrecognized arguments: --bye"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_a_mistake_is_one_sentence(cnnlab, tmp_path, words, said):
    (tmp_path / "empty").mkdir()
    code, out, err = cnnlab("compare", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


DAMAGES = {
    "seconds": "long",
    "val": [1],
    "test": {"accuracy": "good"},
    "parameters": "many",
    "followed": 3,
}


@pytest.mark.parametrize("verb", ["compare", "report"])
@pytest.mark.parametrize("key", DAMAGES)
@pytest.mark.usefixtures("runs")
def test_a_damaged_result_is_one_sentence(cnnlab, tmp_path, key, verb):
    path = tmp_path / "a" / RESULT
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: DAMAGES[key]}))
    code, out, err = cnnlab(verb, str(tmp_path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{path}: not the result of a run ({key}" in err


@pytest.mark.usefixtures("runs")
def test_a_result_of_before_may_lack_what_was_added_since(cnnlab, tmp_path):
    path = tmp_path / "a" / RESULT
    known = json.loads(path.read_text())
    path.write_text(json.dumps({key: known[key] for key in ("status", "val", "test", "followed")}))
    assert cnnlab("compare", "a", "b")[0] == 0


@pytest.mark.usefixtures("runs")
def test_metrics_without_epochs_are_one_sentence(cnnlab, tmp_path):
    (tmp_path / "a" / "metrics.csv").write_text("val/loss\n0.5\n0.4\n")
    code, out, err = cnnlab("report", str(tmp_path))
    assert (code, out) == (2, "")
    assert err == f"cnnlab: {tmp_path}/a/metrics.csv: not the metrics of a run (there is no column epoch).\n"


@pytest.mark.usefixtures("runs")
def test_a_strangers_setting_does_not_move_the_cursor(cnnlab, tmp_path):
    config = tmp_path / "a" / "config.yaml"
    config.write_text(config.read_text().replace("lr: 0.1", r'lr: "0.1\e[2J\rgone"'))
    code, out, _ = cnnlab("compare", "a", "b")
    assert code == 0
    assert r"0.1\x1b[2J\rgone" in out
    assert out.replace("\n", "").isprintable()
