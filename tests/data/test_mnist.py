"""IDX files: what torchvision reads from the same folder, an error for every damage; permutation, noise."""

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets

from cnnlab.data import mnist
from cnnlab.data.augment import Augment
from cnnlab.data.batches import Batches
from cnnlab.data.mnist import FASHION_CLASSES, MNIST_CLASSES, read_idx, read_mnist
from cnnlab.errors import UserError

RNG = np.random.default_rng(0)
ARRAYS = {
    "train-images-idx3-ubyte": RNG.integers(0, 256, (9, 28, 28), dtype=np.uint8),
    "train-labels-idx1-ubyte": RNG.integers(0, 10, 9, dtype=np.uint8),
    "t10k-images-idx3-ubyte": RNG.integers(0, 256, (4, 28, 28), dtype=np.uint8),
    "t10k-labels-idx1-ubyte": RNG.integers(0, 10, 4, dtype=np.uint8),
}


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(root: Path, folder: str, suffix: str = "") -> Path:
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for name, array in ARRAYS.items():
        content = idx(array)
        (raw / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    return raw


@pytest.mark.parametrize("folder", ["MNIST", "FashionMNIST"])
def test_as_torchvision_reads_it(tmp_path: Path, folder: Any) -> None:
    write(tmp_path, folder)
    arrays = read_mnist(tmp_path, folder, verify=False)
    assert list(arrays) == ["train", "test"]
    for split, (images, labels) in arrays.items():
        theirs = getattr(torchvision.datasets, folder)(tmp_path, train=split == "train")
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert images.shape == (len(theirs), 28, 28, 1)
        assert np.array_equal(images[..., 0], theirs.data.numpy())
        assert np.array_equal(labels, theirs.targets.numpy())


def test_compressed_files_give_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a", "MNIST")
    write(tmp_path / "b", "MNIST", ".gz")
    plain, compressed = (read_mnist(tmp_path / name, "MNIST", verify=False) for name in "ab")
    for split in ("train", "test"):
        for one, other in zip(plain[split], compressed[split], strict=True):
            assert np.array_equal(one, other)


def test_class_names() -> None:
    assert list(FASHION_CLASSES) == torchvision.datasets.FashionMNIST.classes
    assert [name[0] for name in torchvision.datasets.MNIST.classes] == list(MNIST_CLASSES)


def test_the_known_checksums_are_of_the_files_that_torchvision_names() -> None:
    for folder, known in mnist._CONTENT_MD5.items():
        resources = getattr(torchvision.datasets, folder).resources
        assert {f"{name}.gz" for name in known} == {name for name, _ in resources}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_verification_is_of_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    raw = write(tmp_path, "MNIST", suffix)
    with pytest.raises(UserError, match=r"train-images.*not the official file.*data\.verify=false"):
        read_mnist(tmp_path, "MNIST", verify=True)
    official = {name: hashlib.md5(idx(array)).hexdigest() for name, array in ARRAYS.items()}  # noqa: S324
    monkeypatch.setitem(mnist._CONTENT_MD5, "MNIST", official)
    arrays = read_mnist(tmp_path, "MNIST", verify=True)
    assert np.array_equal(arrays["test"][1], ARRAYS["t10k-labels-idx1-ubyte"])
    changed = idx(ARRAYS["t10k-labels-idx1-ubyte"] ^ 1)
    (raw / f"t10k-labels-idx1-ubyte{suffix}").write_bytes(gzip.compress(changed) if suffix else changed)
    with pytest.raises(UserError, match="t10k-labels"):
        read_mnist(tmp_path, "MNIST", verify=True)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_every_truncation_is_noticed(tmp_path: Path, suffix: str) -> None:
    content = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))
    path = tmp_path / f"cut{suffix}"
    whole = gzip.compress(content) if suffix else content
    path.write_bytes(whole)
    assert read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=str(path)):
            read_idx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(np.arange(6, dtype=np.uint8)) + b"x", "too long"),
        (b"\x00\x00\x0d\x01" + struct.pack(">I", 1) + b"\0\0\0\0", "not an IDX file"),
        (b"\x00\x00\x08\x00", "not an IDX file"),
        (b"\x00\x00\x08\xff" + b"\xff" * 2000, "not an IDX file"),
        (b"\x89PNG1234", "not an IDX file"),
        (b"\x00\x00\x08\x04" + b"\xff" * 16, "declares the shape"),
        (b"\x00\x00\x08\x01" + struct.pack(">I", 2**28 - 1) + b"abc", "too short"),
        (b"\x00\x00\x08\x01" + struct.pack(">I", 2**28 + 1) + b"abc", "declares the shape"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_wrong_files(tmp_path: Path, suffix: str, content: bytes, message: str) -> None:
    path = tmp_path / f"wrong{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(UserError, match=f"wrong{suffix}.*{message}"):
        read_idx(path)


def test_a_damaged_or_wrong_compression(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    damaged = bytearray(gzip.compress(idx(RNG.integers(0, 256, 500, dtype=np.uint8))))
    damaged[200] ^= 0xFF
    for content in (bytes(damaged), idx(np.zeros(3, np.uint8))):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"x\.gz cannot be read"):
            read_idx(path)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("train-images-idx3-ubyte", np.zeros((9, 27, 28), np.uint8)),
        ("train-images-idx3-ubyte", np.zeros((8, 28, 28), np.uint8)),
        ("train-images-idx3-ubyte", np.zeros(9, np.uint8)),
        ("train-labels-idx1-ubyte", np.full(9, 10, np.uint8)),
        ("train-labels-idx1-ubyte", np.zeros((9, 1), np.uint8)),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, name: str, array: Any) -> None:
    raw = write(tmp_path, "MNIST")
    (raw / name).write_bytes(idx(array))
    with pytest.raises(UserError, match="train"):
        read_mnist(tmp_path, "MNIST", verify=False)


@pytest.mark.parametrize("folder", ["MNIST", "FashionMNIST"])
def test_missing_files_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Any
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    dataset = getattr(torchvision.datasets, folder)
    monkeypatch.setattr(dataset, "mirrors", ["http://127.0.0.1:9/one/", "http://127.0.0.1:9/two/"])
    with pytest.raises(UserError) as caught:
        read_mnist(tmp_path, folder, verify=True)
    name, md5 = dataset.resources[0]
    for part in (f"no {folder} data: put {name}", md5, str(tmp_path / folder / "raw"), f"/two/{name} failed"):
        assert part in str(caught.value)


def ready(tmp_path: Path, kind: type[mnist.MNIST] = mnist.MNIST, **settings: Any) -> mnist.MNIST:
    """Return a module on small files in the real format, with batches of 4."""
    if not (tmp_path / "raw").exists():
        for folder in ("MNIST", "FashionMNIST"):
            write(tmp_path / "raw", folder)
    common = {"root": tmp_path / "raw", "store": tmp_path / "store", "verify": False, "validation": 3}
    data = kind(**common, batch_size=4, **settings)
    data.prepare_data()
    data.setup()
    return data


def served(loader: Batches) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Inputs and targets of the next epoch, channels last."""
    inputs, targets = (torch.cat(part) for part in zip(*loader, strict=True))
    return inputs.permute(0, 2, 3, 1).numpy(), targets.numpy()


KINDS = pytest.mark.parametrize("kind", [mnist.MNIST, mnist.FashionMNIST])


@KINDS
def test_one_permutation_for_all_images(tmp_path: Path, kind: type[mnist.MNIST]) -> None:
    data = ready(tmp_path, kind, permute_pixels=True)
    assert data.permutation is not None
    order = data.permutation.numpy()
    assert sorted(order) == list(range(784))
    assert (order != np.arange(784)).sum() > 700
    (val,) = data.val_dataloader()
    parts = {"train": data.train_dataloader(), "val": val, "test": data.test_dataloader()}
    for name, loader in parts.items():
        stem = "t10k" if name == "test" else "train"
        images = ARRAYS[f"{stem}-images-idx3-ubyte"].reshape(-1, 784)[:, order]
        rows = loader.order(0).numpy()
        inputs, targets = served(loader)
        assert np.array_equal(inputs.reshape(len(rows), 784), images[rows])
        assert np.array_equal(targets, ARRAYS[f"{stem}-labels-idx1-ubyte"][rows])


def test_the_permutation_is_of_the_seed_of_the_splits(tmp_path: Path) -> None:
    seeds = [{"split_seed": 0, "seed": 0}, {"split_seed": 0, "seed": 1}, {"split_seed": 1, "seed": 0}]
    first, same, other = (ready(tmp_path, permute_pixels=True, **seed).permutation for seed in seeds)
    assert first is not None
    assert same is not None
    assert other is not None
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert ready(tmp_path).permutation is None


def test_a_saved_permutation_takes_the_place_of_ones_own(tmp_path: Path) -> None:
    first, second = (ready(tmp_path, permute_pixels=True, split_seed=seed) for seed in (0, 1))
    served(second.test_dataloader())
    torch.save(first.state_dict(), tmp_path / "state")
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert np.array_equal(served(second.test_dataloader())[0], served(first.test_dataloader())[0])
    assert ready(tmp_path).state_dict() == {}


@pytest.mark.parametrize("wrong", [torch.arange(783), torch.zeros(784), torch.arange(1, 785)])
def test_what_is_no_permutation_is_refused(tmp_path: Path, wrong: torch.Tensor) -> None:
    with pytest.raises(UserError, match=r"data=mnist: the permutation in the checkpoint is not one of 784"):
        ready(tmp_path, permute_pixels=True).load_state_dict({"permutation": wrong})


def test_the_fingerprint_tells_what_is_done_to_the_images(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [{}, {"permute_pixels": True}, {"noise": 0.5}, {"noise": 0.4}]
    changes.append({"noise": 0.5, "permute_pixels": True})
    prints = [ready(tmp_path, **change).fingerprint() for change in changes]
    assert len(set(prints)) == len(changes)
    assert ready(tmp_path, permute_pixels=True).fingerprint() == prints[1]


@KINDS
def test_with_noise_the_clean_image_is_the_target(tmp_path: Path, kind: type[mnist.MNIST]) -> None:
    data = ready(tmp_path, kind, noise=0.5)
    assert (data.spec.target, data.spec.outputs, data.spec.class_names) == ("image", 784, ())
    inputs, targets = served(data.test_dataloader())
    assert np.array_equal(targets[:, 0], ARRAYS["t10k-images-idx3-ubyte"])
    assert inputs.dtype == np.uint8
    assert 0.2 < np.mean(np.abs(inputs[..., 0] / 255.0 - targets[:, 0] / 255.0)) < 0.5


def test_training_noise_is_drawn_anew_and_that_of_evaluation_is_not(tmp_path: Path) -> None:
    data = ready(tmp_path, noise=0.5)
    (val,) = data.val_dataloader()
    assert np.array_equal(served(val)[0], served(val)[0])
    train = data.train_dataloader()
    epochs = []
    for epoch in (0, 1):
        order = np.argsort(train.order(epoch).numpy())
        inputs, targets = served(train)
        epochs.append((inputs[order], targets[order]))
    assert np.array_equal(epochs[0][1], epochs[1][1])
    assert (epochs[0][0] != epochs[1][0]).mean() > 0.5


def test_noisy_and_plain_runs_share_a_store_and_its_splits(tmp_path: Path) -> None:
    noisy, plain = ready(tmp_path, noise=0.5, stratify=True), ready(tmp_path, stratify=True)
    assert noisy.store_path == plain.store_path
    assert plain.opened.class_names == MNIST_CLASSES
    for one, other in zip(noisy.splits.parts(), plain.splits.parts(), strict=True):
        assert np.array_equal(one.rows, other.rows)


def test_augmented_noisy_images_keep_their_augmented_target(tmp_path: Path) -> None:
    flipped = Augment(horizontal_flip=True)
    noisy, plain = (ready(tmp_path, noise=noise, augment=flipped) for noise in (0.5, 0.0))
    _, targets = served(noisy.train_dataloader())
    images, _ = served(plain.train_dataloader())
    assert np.array_equal(targets[:, 0], images[..., 0])
