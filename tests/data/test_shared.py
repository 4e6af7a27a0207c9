"""The readers on the real data sets, where they lie beside the checkout in shared/data."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torchvision

from cnnlab.data.cifar import CIFAR100
from cnnlab.data.mnist import MNIST, FashionMNIST
from cnnlab.errors import UserError

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not (SHARED / "unpack.py").exists(), reason="the real data sets are not there"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    names = ["mnist", "fashion_mnist", "cifar100_25"]
    subprocess.run([sys.executable, str(SHARED / "unpack.py"), str(folder), *names], check=True)
    return folder


def ready(data):
    data.prepare_data()
    data.setup()
    return data


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
def test_verified_arrays_are_torchvisions(root, tmp_path, kind):
    data = ready(kind(root=root, store=tmp_path))
    assert data.counts() == {"train": 54000, "val": 6000, "test": 10000}
    theirs = getattr(torchvision.datasets, data.raw_folder)
    for train, stored in ((True, "train"), (False, "test")):
        raw = root / data.raw_folder / "raw"
        for packed in raw.glob("*.gz"):
            unpacked = packed.with_suffix("")
            if not unpacked.exists():
                torchvision.datasets.utils.extract_archive(str(packed), str(raw))
        expected = theirs(root, train=train)
        samples = data.samples(stored)
        np.testing.assert_array_equal(samples.images[..., 0], expected.data)
        np.testing.assert_array_equal(samples.targets, expected.targets)


def test_a_copy_of_25_classes_is_read_when_it_is_asked_for(root, tmp_path):
    data = ready(CIFAR100(root=root, store=tmp_path, verify=False, classes=25))
    assert sum(data.counts().values()) == 15000
    labels = data.samples("test").targets
    assert np.bincount(labels).tolist() == [100] * 25


def test_a_copy_of_25_classes_says_so(root, tmp_path):
    with pytest.raises(UserError, match=r"holds 25 classes.*data\.classes=25"):
        ready(CIFAR100(root=root, store=tmp_path, verify=False))
    with pytest.raises(UserError, match=r"data\.verify=false"):
        ready(CIFAR100(root=root, store=tmp_path / "other"))
