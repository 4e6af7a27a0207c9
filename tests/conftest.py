"""Fixtures: golden arrays of Keras, a user's empty caches, and the real data sets where they are."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption("--proofs", action="store_true", help="run the heavy proofs whole, not a tenth of them")


@pytest.fixture(scope="session")
def proofs(request):
    """True where the heavy proofs run whole, as make proofs does."""
    return request.config.getoption("--proofs")


@pytest.fixture(scope="session", autouse=True)
def _two_threads():
    """Two at most; OMP_NUM_THREADS=1 asks for one, which on a busy machine is many times as fast."""
    torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.fixture(scope="module")
def one_thread():
    """With little to do, two threads wait for each other: on a busy machine that takes thrice as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def resnet18_file(tmp_path_factory):
    """Random weights of torchvision's resnet18 for five classes, in its own format."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(torchvision.models.resnet18(num_classes=5).state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def _own_caches(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's caches, or finds data by the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("CNNLAB_DATA", raising=False)


@pytest.fixture
def own_conf(tmp_path, monkeypatch):
    """A copy of conf/ that the program reads instead, to be changed."""
    from cnnlab.config import conf

    copy = tmp_path / "conf"
    shutil.copytree(conf.conf_dir(), copy)
    monkeypatch.setattr(conf, "conf_dir", lambda: copy)
    return copy


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def golden():
    """Arrays that Keras gave, by the scripts in tests/golden."""

    def load(name):
        with np.load(GOLDEN / f"{name}.npz") as arrays:
            return dict(arrays)

    return load


@pytest.fixture
def three_epochs():
    """A training that takes a moment, as it would be typed."""
    words = ["data=digits", "data.size=8", "model=linear"]
    return [*words, "trainer=cpu", "trainer.max_epochs=3", "logger=none"]


@pytest.fixture
def left(tmp_path):
    """Leave a run folder as a training would, with figures that are made up; gives it as read."""
    from cnnlab.study.runs import read_run
    from cnnlab.training.folder import RESULT, RunFolder
    from cnnlab.training.result import Result

    def leave(name, told, val=0.5, test=0.5, *, status="finished", followed="val/accuracy", **said):
        words = ["data.size=8", "model=linear", *told]
        folder = tmp_path / "study" / name
        RunFolder(folder).write_config(composed(words), words)
        quantity = followed.partition("/")[2]
        result = Result(
            status=status,
            val={quantity: val},
            test={quantity: test},
            followed=followed,
            seconds=said.pop("seconds", 10.0),
            parameters=said.pop("parameters", 650),
            **said,
        )
        result.write(folder / RESULT)
        return read_run(folder)

    return leave


def composed(words):
    """Compose once for all runs that differ in single values, which takes most of the time."""
    values = [word for word in words if "." in word.partition("=")[0] or word.startswith("seed=")]
    cfg = compose_once(tuple(word for word in words if word not in values)).copy()
    cfg.merge_with_dotlist(values)
    return cfg


@cache
def compose_once(options):
    from cnnlab.config.compose import compose

    return compose(options)
