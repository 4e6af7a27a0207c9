"""Whatever it was exported to, a network says what its run said, and needs nothing but the file."""

import json
import sys

import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open
from sklearn.datasets import load_digits

import cnnlab
from cnnlab.errors import UserError
from cnnlab.export import hdf5, onnx, safetensors

WRITERS = {"h5": hdf5.write, "onnx": onnx.write, "safetensors": safetensors.write}


def digits(rows):
    """As the run read them from scikit-learn."""
    return np.round(load_digits().images[rows] * (255 / 16)).astype(np.uint8)


@pytest.fixture(scope="module")
def exported(digits_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    for suffix, write in WRITERS.items():
        write(digits_run, folder / f"network.{suffix}")
    return folder


@pytest.mark.parametrize("kind", ["run", *WRITERS])
def test_an_export_says_what_the_run_said_of_its_test(exported, digits_run, kind):
    predictor = cnnlab.load(digits_run if kind == "run" else exported / f"network.{kind}")

    with h5py.File(digits_run / "predictions.h5") as file:
        wanted, rows = file["outputs"][()], file["rows"][()]
    found = predictor.predict(digits(rows))

    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert found.dtype == np.float32
    assert predictor.class_names == tuple("0123456789")


def test_an_export_can_be_read_by_whoever_may_read_the_run(exported, digits_run):
    wanted = (digits_run / "result.json").stat().st_mode
    assert {
        file.name: file.stat().st_mode for file in exported.iterdir() if file.stat().st_mode != wanted
    } == {}


def test_loading_leaves_the_global_random_state_alone(digits_run):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    cnnlab.load(digits_run)
    assert torch.equal(torch.rand(3), wanted)


def test_safetensors_holds_the_weights_by_their_names(exported, digits_run):
    wanted = torch.load(digits_run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    with safe_open(exported / "network.safetensors", framework="pt") as file:
        assert set(file.keys()) == set(wanted)
        assert all(torch.equal(file.get_tensor(name), tensor) for name, tensor in wanted.items())
        assert json.loads(file.metadata()["class_names"]) == list("0123456789")
        assert json.loads(file.metadata()["preprocessing"]) == ["scale"]


def test_an_empty_batch_gives_no_answers(digits_run):
    assert cnnlab.load(digits_run).predict(digits([])).shape == (0, 10)


def test_missing_values_are_refused_where_nothing_fills_them_in(cars_run):
    predictor = cnnlab.load(cars_run)
    assert predictor.predict([[1000, 0, 0, 1]] * np.ones((2, 1))).shape == (2, 2)
    with pytest.raises(UserError, match="missing values"):
        predictor.predict(np.array([[np.nan, 0, 0, 1]]))


@pytest.mark.parametrize("kind", ["h5", "onnx", "safetensors"])
@pytest.mark.parametrize("content", [b"", b"rubbish" * 100, "cut"])
def test_a_damaged_file_is_refused_in_a_sentence(exported, tmp_path, kind, content):
    path = tmp_path / f"network.{kind}"
    whole = (exported / path.name).read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == "cut" else content)
    with pytest.raises(UserError, match=str(path)) as refusal:
        cnnlab.load(path)
    assert "\n" not in str(refusal.value)


def test_what_is_no_network_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    for name, words in (
        ("notes.txt", "cannot be loaded; allowed are"),
        ("none.h5", "no such file"),
        ("none", "no such file or folder"),
        (".", "not a run folder"),
    ):
        with pytest.raises(UserError, match=words):
            cnnlab.load(tmp_path / name)


@pytest.mark.parametrize(("kind", "package"), [("onnx", "onnxruntime"), ("safetensors", "safetensors")])
def test_a_missing_package_names_its_extra(exported, monkeypatch, kind, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"{package} is not installed; pip install 'cnnlab\[export\]'"):
        cnnlab.load(exported / f"network.{kind}")


def test_a_config_that_asks_for_more_than_its_weights_is_refused(digits_run, tmp_path):
    """A stranger's network of 4 TB must not be tried out."""
    safetensors.write(digits_run, tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    header["__metadata__"]["config"] = header["__metadata__"]["config"].replace("- 16\n", "- 99999999999\n")
    changed = json.dumps(header).encode()
    (tmp_path / "a.safetensors").write_bytes(
        len(changed).to_bytes(8, "little") + changed + whole[8 + length :]
    )

    with pytest.raises(UserError, match="not the weights of its network"):
        cnnlab.load(tmp_path / "a.safetensors")
