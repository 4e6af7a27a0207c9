import json

import numpy as np
import pytest

from cnnlab.config.compose import compose
from cnnlab.training.restored import restore
from cnnlab.training.run import run


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    words = ["data=digits", "data.size=8", f"data.store={folder}", "model=convnet", "model.features=[4,P]"]
    words += ["model.classifier=[]", "trainer=cpu", "logger=none", "trainer.max_epochs=2"]
    words += ["trainer.precision=32-true"]
    run(compose(words), folder / "run")
    return folder / "run"


def evaluated(cnnlab, *words):
    code, out, err = cnnlab("evaluate", *map(str, words), "--json")
    assert code == 0, err
    return json.loads(out), err


def test_the_same_data_give_the_numbers_of_the_run(cnnlab, digits):
    result = json.loads((digits / "result.json").read_text())
    found, err = evaluated(cnnlab, digits)
    assert found["metrics"] == result["test"]
    assert (found["samples"], found["data_fingerprint"]) == (359, result["data_fingerprint"])
    assert (found["remarks"], err) == ([], "")
    assert "accuracy" in cnnlab("evaluate", str(digits))[1]
    assert "result.json" not in cnnlab("evaluate", str(digits))[1]


def test_validation_is_measured_as_in_training(cnnlab, digits):
    result = json.loads((digits / "result.json").read_text())
    found, _ = evaluated(cnnlab, digits, "--part", "val")
    assert found["metrics"]["accuracy"] == pytest.approx(result["val"]["accuracy"], abs=1e-6)
    assert found["samples"] == result["samples"]["val"]
    assert evaluated(cnnlab, digits, "--part", "train")[0]["samples"] == result["samples"]["train"]


def test_another_split_or_data_set_is_measured_and_said(cnnlab, digits):
    found, err = evaluated(cnnlab, digits, "data.split_seed=7")
    assert "not the run's data and split" in err
    assert len(found["remarks"]) == 1
    other, _ = evaluated(cnnlab, digits, "data=digits", "data.size=8", "data.test=100", "trainer=cpu")
    assert other["samples"] == 100


def test_the_mean_with_the_mirror_image_is_measured_and_said(cnnlab, digits):
    found, err = evaluated(cnnlab, digits, "--part", "val", "model.test_time_flip=true")
    assert "model.test_time_flip is true, and in the run it was false" in err
    data, module = restore(digits)
    data.prepare_data()
    data.setup()
    pairs = [
        ((module(images) + module(images.flip(-1))).argmax(1) == labels)
        for images, labels in data.val_dataloader()[0]
    ]
    expected = np.mean([bool(right) for batch in pairs for right in batch])
    assert found["metrics"]["accuracy"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data=xor"], "data=xor: its kind is tabular, and the network was trained on digits"),
        (["data.size=16"], "its input shape is 1, 16, 16"),
        (["data.siez=16"], "data.siez: Digits has no such argument; did you mean size?"),
        (["data=digit"], "did you mean digits?"),
        (["model.hidden=[3]"], "only data, trainer and model.test_time_flip can be changed here"),
        (["data.size=8,16"], "with one value"),
        (["--part", "tset"], "invalid choice: 'tset'"),
    ],
)
def test_a_mistake_is_one_sentence(cnnlab, digits, words, said):
    code, out, err = cnnlab("evaluate", str(digits), *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_what_is_no_run_is_refused(cnnlab, tmp_path):
    code, _, err = cnnlab("evaluate", "nowhere")
    assert code == 2
    assert "nowhere: not a run folder" in err
    code, _, err = cnnlab("evaluate")
    assert code == 2
    assert "evaluate: a run folder is needed; say evaluate RUN" in err


def test_a_study_in_the_place_of_a_run_is_told(cnnlab, digits):
    code, _, err = cnnlab("evaluate", str(digits.parent))
    assert (code, err.count("\n")) == (2, 1)
    assert f"not a run folder, it holds the runs of a study: {digits}, say." in err
