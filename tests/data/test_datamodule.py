import gzip
import struct

import h5py
import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from cnnlab.data.augment import Augment
from cnnlab.data.cifar import CIFAR10
from cnnlab.data.digits import Digits
from cnnlab.data.mnist import MNIST
from cnnlab.errors import UserError


class Coloured(CIFAR10):
    """The data module of CIFAR with images made here instead of its files."""

    written = 0

    def write(self, writer):
        type(self).written += 1
        draws = np.random.default_rng(0)
        for split, count in (("train", 200), ("test", 50)):
            labels = np.arange(count) % 10
            writer.add(split, draws.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), labels)


@pytest.fixture
def ready(tmp_path):
    def make(kind=Coloured, **settings):
        data = kind(store=tmp_path / "store", root=tmp_path / "raw", **{"validation": 0.1, **settings})
        data.prepare_data()
        data.setup()
        return data

    return make


def stored_rows(part):
    return {(part.stored, int(row)) for row in part.rows}


def test_the_parts_are_disjoint_and_complete(ready):
    data = ready()
    parts = [stored_rows(part) for part in data.splits.parts()]
    assert [len(part) for part in parts] == [180, 20, 50]
    assert len(set.union(*parts)) == 250
    assert data.counts() == {"train": 180, "val": 20, "test": 50}


def test_loaders_serve_the_stored_images(ready):
    data = ready()
    with h5py.File(data.store_path) as file:
        images, labels = file["test/images"][:], file["test/labels"][:]
    served = list(data.test_dataloader())
    np.testing.assert_array_equal(torch.cat([x for x, _ in served]).permute(0, 2, 3, 1), images)
    np.testing.assert_array_equal(torch.cat([y for _, y in served]), labels)


def test_only_training_images_are_shuffled_and_augmented(ready):
    data = ready(augment=Augment(vertical_flip=True), batch_size=180)
    (first, _), (second, _) = (next(iter(data.train_dataloader())) for _ in range(2))
    assert torch.equal(first, second)
    assert data.train_dataloader().samples.augment is not None
    assert data.val_dataloader()[0].samples.augment is None
    assert data.test_dataloader().samples.augment is None
    assert not data.test_dataloader().shuffle


def test_the_test_set_is_watched_only_on_demand(ready):
    assert len(ready().val_dataloader()) == 1
    val, test = ready(watch_test=True).val_dataloader()
    assert (len(val.rows), len(test.rows)) == (20, 50)


def test_the_store_is_written_once(ready):
    Coloured.written = 0
    ready()
    ready(validation=0.3, classes=5)
    assert Coloured.written == 1


def test_an_unverified_store_does_not_do_for_a_verified_run(ready):
    Coloured.written = 0
    ready(verify=False)
    ready(verify=False)
    ready(verify=True)
    ready(verify=False)
    assert Coloured.written == 2


def test_classes_are_chosen_and_renumbered(ready):
    whole, chosen = ready(), ready(classes=["cat", "airplane"])
    assert chosen.spec.class_names == ("cat", "airplane")
    assert chosen.counts()["test"] == 10
    images, labels = next(iter(chosen.test_dataloader()))
    everything, all_labels = next(iter(whole.test_dataloader()))
    assert torch.equal(images[labels == 0], everything[all_labels == 3])
    assert torch.equal(images[labels == 1], everything[all_labels == 0])


def test_a_copy_with_fewer_classes_says_how_many(tmp_path):
    class Two(Coloured):
        def write(self, writer):
            writer.class_names = ("airplane", "automobile")
            for split in ("train", "test"):
                writer.add(split, np.zeros((20, 32, 32, 3), np.uint8), np.arange(20) % 2)

    data = Two(store=tmp_path, root=tmp_path, classes=5)
    data.prepare_data()
    with pytest.raises(UserError, match=r"holds 2 classes \(airplane to automobile\).*data\.classes=2"):
        data.setup()


def test_a_failed_preparation_leaves_nothing(tmp_path):
    class Broken(Coloured):
        def write(self, writer):
            super().write(writer)
            raise UserError("the files are broken")

    data = Broken(store=tmp_path / "store", root=tmp_path)
    with pytest.raises(UserError, match="broken"):
        data.prepare_data()
    assert not [file for file in (tmp_path / "store").iterdir() if file.suffix != ".lock"]


def test_what_a_kill_left_is_removed(ready, tmp_path):
    data = Coloured(store=tmp_path / "store", root=tmp_path / "raw")
    (tmp_path / "store").mkdir()
    left = tmp_path / "store" / f".{data.store_path.name}.0123.tmp"
    left.write_bytes(b"half a file")
    ready()
    assert not left.exists()


@pytest.mark.parametrize("memory", ["load", "map", "auto"])
def test_mapped_and_loaded_images_are_the_same(ready, memory):
    images, _ = next(iter(ready(memory=memory, batch_size=180).train_dataloader()))
    expected, _ = next(iter(ready(memory="load", batch_size=180).train_dataloader()))
    assert torch.equal(images, expected)


def test_training_images_are_those_of_the_training_part(ready):
    data = ready()
    with h5py.File(data.store_path) as file:
        expected = file["train/images"][:][data.splits.train.rows]
    blocks = list(data.training_blocks(70))
    assert {len(block) for block in blocks[:-1]} == {70}
    np.testing.assert_array_equal(torch.cat(blocks).permute(0, 2, 3, 1), expected)


def test_the_fingerprint_tells_splits_and_classes_apart(ready):
    prints = [
        ready(**s).fingerprint() for s in ({}, {}, {"split_seed": 1}, {"classes": 5}, {"validation": 30})
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4


def test_digits_are_split_by_class(tmp_path):
    data = Digits(store=tmp_path, size=8, test=0.2, stratify=True)
    data.prepare_data()
    data.setup()
    labels = data.samples("train").targets
    shares = [np.bincount(labels[part.rows]) / len(part.rows) for part in data.splits.parts()]
    assert max(np.abs(shares[0] - share).max() for share in shares[1:]) < 0.02
    assert data.counts() == {"train": 1294, "val": 144, "test": 359}


def test_a_store_folder_without_permission_is_named(tmp_path, monkeypatch):
    def refuse(*arguments, **settings):
        raise PermissionError("no")

    data = Coloured(store=tmp_path / "store", root=tmp_path)
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(UserError, match=r"data\.store=.*no permission"):
        data.prepare_data()


def test_a_mnist_run_reads_real_idx_files(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for stem, count in (("train", 60), ("t10k", 20)):
        images = np.arange(count * 784, dtype=np.uint32).astype(np.uint8)
        header = struct.pack(">IIII", 0x803, count, 28, 28)
        (raw / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes()))
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())
    data = MNIST(root=tmp_path, store=tmp_path / "store", verify=False, validation=10)
    data.prepare_data()
    data.setup()
    counts = data.counts()
    assert counts["train"] + counts["val"] == 60
    assert counts["test"] == 20
    images, labels = next(iter(data.test_dataloader()))
    assert labels.tolist() == [row % 10 for row in range(20)]
    assert images[3, 0].flatten().tolist() == [(3 * 784 + i) % 256 for i in range(784)]


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"train_fraction": 0.0}, {"train_fraction": 1.5}, {"classes": 11}]
)
def test_values_out_of_range_are_refused_before_any_file_is_read(tmp_path, wrong):
    with pytest.raises(UserError, match=f"data.{next(iter(wrong))}"):
        CIFAR10(root=tmp_path / "nowhere", store=tmp_path / "store", **wrong)
    assert not (tmp_path / "store").exists()


def test_several_devices_part_the_training_batches_and_evaluate_whole_ones(ready, tmp_path):
    data = ready(batch_size=50)
    data.trainer = pl.Trainer(
        accelerator="cpu", devices=2, strategy="ddp", logger=False, default_root_dir=tmp_path
    )
    served = {name: getattr(data, f"{name}_dataloader")() for name in ("train", "test")}
    assert [len(labels) for _, labels in served["train"]] == [25, 25, 25, 15]
    assert [len(labels) for _, labels in served["test"]] == [50]
