import json

import h5py
import numpy as np
import pytest
import torch

import cnnlab
from cnnlab.__main__ import main
from cnnlab.errors import UserError
from cnnlab.export import hdf5
from cnnlab.sealed import create, open_sealed, seal

CONVNET = ["data=digits", "data.size=8", "model=convnet", "model.features=[8,P]", "model.classifier=[8]"]
CONVNET += ["model.norm=before", "model.dropout_dense=0.2", "data.stratify=true"]


@pytest.fixture(scope="module")
def convnet_run(trained):
    return trained(*CONVNET)


@pytest.fixture(scope="module")
def convnet_file(convnet_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("exports") / "convnet.h5"
    hdf5.write(convnet_run, path)
    return path


def test_h5py_alone_reads_all_of_it(convnet_run, convnet_file):
    best = torch.load(convnet_run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    state = torch.load(convnet_run / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"][0][
        "state"
    ]
    with h5py.File(convnet_file) as file:
        for name, tensor in best.items():
            np.testing.assert_array_equal(file["weights"][name.replace(".", "/")], tensor.numpy())
        conv = file["optimizer/network/features/conv1/weight"]
        np.testing.assert_array_equal(conv["exp_avg"], state[0]["exp_avg"].numpy())
        assert json.loads(file.attrs["class_names"]) == list("0123456789")
        assert json.loads(file.attrs["preprocessing"]) == ["scale"]
        assert (int(file.attrs["epoch"]), file.attrs["config"]) == (
            1,
            (convnet_run / "config.yaml").read_text(),
        )
        text = file["files/metrics.csv"][()].tobytes().decode()
    assert text == (convnet_run / "metrics.csv").read_text()


def test_a_fitted_preprocessing_has_a_group_of_its_own(cars_run, tmp_path):
    hdf5.write(cars_run, tmp_path / "cars.h5")
    with h5py.File(tmp_path / "cars.h5") as file:
        assert file["preprocessing/mean"].shape == (1, 4)
        np.testing.assert_array_equal(file["preprocessing/mean"], file["weights/preprocess/mean"])


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_training_goes_on_from_a_file_as_from_its_run(convnet_run, convnet_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moved.h5").write_bytes(convnet_file.read_bytes())
    (tmp_path / "run").mkdir()
    for path in sorted(convnet_run.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            target = tmp_path / "run" / path.relative_to(convnet_run)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())

    for refused in ("model.blocks=3", "trainer.max_epochs=0"):
        assert main(["resume", "moved.h5", refused]) == 2
        assert not (tmp_path / "moved").exists()
    assert main(["resume", "moved.h5", "trainer.max_epochs=2"]) == 0
    assert main(["resume", "run", "trainer.max_epochs=2"]) == 0

    one, other = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("moved", "run"))
    assert one["weights_fingerprint"] == other["weights_fingerprint"]
    assert (one["test"], one["epochs"]) == (other["test"], 2)
    rows = (tmp_path / "moved" / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2"]
    assert main(["resume", "moved.h5"]) == 2  # its folder is there


def changed(path, target, **about):
    """Copy an export with something else in its attributes."""
    sealed = open_sealed(path)
    with create(target) as file:
        for name, array in sealed.arrays.items():
            file[name] = array.read()
    seal(target, sealed.about | about)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, r"model\._target_=os\.system"),
        ("seed: ${oc.env:HOME}", "interpolation"),
        ("[1, 2]", "not the config of a run"),
        ("{a: [", "cannot be read"),
    ],
)
def test_a_strangers_config_runs_nothing(convnet_file, tmp_path, config, words):
    own = open_sealed(convnet_file).about["config"]
    config = config or own.replace("cnnlab.models.convnet.ConvNetModule", "os.system")
    changed(convnet_file, tmp_path / "foreign.h5", config=config)
    for act in (cnnlab.load, lambda path: hdf5.restore(path, tmp_path / "run")):
        with pytest.raises(UserError, match=words):
            act(tmp_path / "foreign.h5")
    assert not (tmp_path / "run").exists()


def test_a_foreign_hdf5_file_is_refused_before_hdf5_reads_it(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["weights"] = h5py.ExternalLink("elsewhere.h5", "/weights")
    with pytest.raises(UserError, match="not a network that cnnlab exported"):
        cnnlab.load(tmp_path / "foreign.h5")


def test_a_changed_byte_is_noticed(convnet_file, tmp_path):
    content = bytearray(convnet_file.read_bytes())
    place = open_sealed(convnet_file).arrays["weights/network/classifier/output/weight"].offset
    content[place] ^= 1
    (tmp_path / "damaged.h5").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        cnnlab.load(tmp_path / "damaged.h5")
