"""Overviews: what NumPy says of the same samples, in whatever blocks they are read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnlab.data import overview as module
from cnnlab.data.digits import Digits
from cnnlab.data.overview import PARTS, example_rows, moments, overview
from cnnlab.data.tabular import CSV, XOR, Boston, Pima
from cnnlab.data.text import IMDB
from cnnlab.errors import UserError


def ready(data):
    data.prepare_data()
    data.setup()
    return data


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 1000)


@pytest.mark.parametrize("block", [1, 3, 8, 100])
def test_moments_are_numpys_in_any_blocks(block):
    table = np.random.default_rng(0).normal(1e7, [1.0, 50.0, 3.0], (100, 3))  # far from 0: sums would lose it
    table[np.random.default_rng(1).random((100, 3)) < 0.2] = np.nan
    found = moments(iter(torch.from_numpy(table).split(block)))
    np.testing.assert_allclose(found.mean, np.nanmean(table, 0), rtol=1e-12)
    np.testing.assert_allclose(found.spread, np.nanstd(table, 0), rtol=1e-6)
    np.testing.assert_array_equal(found.missing, np.isnan(table).sum(0))
    np.testing.assert_array_equal(found.present + found.missing, [100] * 3)
    np.testing.assert_array_equal(found.smallest, np.nanmin(table, 0))
    np.testing.assert_array_equal(found.largest, np.nanmax(table, 0))


def test_a_column_without_a_value_has_no_mean():
    found = moments(iter([torch.tensor([[1.0, float("nan")], [3.0, float("nan")]])]))
    assert found.missing.tolist() == [0, 2]
    np.testing.assert_array_equal(found.mean, [2, np.nan])
    np.testing.assert_array_equal(found.largest, [3, np.nan])


def test_images_are_counted_and_averaged_by_part(tmp_path, small_blocks):
    data = ready(Digits(size=8, store=tmp_path, stratify=True))
    found = overview(data)
    for name, part in zip(PARTS, data.splits.parts(), strict=True):
        images, labels = data.samples("train").batch(torch.from_numpy(part.rows), torch.Generator())
        one = found.parts[name]
        assert one.samples == len(part.rows)
        assert one.classes.tolist() == np.bincount(labels).tolist()
        np.testing.assert_allclose(one.inputs.mean, [images.numpy().mean()])
        np.testing.assert_allclose(one.inputs.spread, [images.numpy().std()])
    assert sum(part.samples for part in found.parts.values()) == 1797
    assert found.left_out == {}


def test_each_channel_has_a_mean_of_its_own(tmp_path, small_blocks):
    from PIL import Image

    for name in ("ant", "bee"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (8, 8), (10, 20 + number, 250)).save(
                tmp_path / "pictures" / name / f"{number}.png"
            )
    from cnnlab.data.folder import ImageFolder

    found = overview(ready(ImageFolder(path=tmp_path / "pictures", store=tmp_path, size=8)))
    assert found.parts["train"].inputs.mean[[0, 2]].tolist() == [10, 250]
    assert found.parts["train"].inputs.spread[[0, 2]].tolist() == [0, 0]
    assert sum(found.shared.values()) > 0 or sum(found.repeated.values()) == 10


def test_tables_have_missing_values_and_targets(small_blocks):
    data = ready(Pima(missing=["insulin", "bmi"]))
    rows = data.read["train"].features[data.splits.train.rows]
    found = overview(data).parts["train"]
    np.testing.assert_allclose(found.inputs.mean, np.nanmean(rows, 0, dtype=np.float64))
    np.testing.assert_array_equal(found.inputs.missing, np.isnan(rows).sum(0))
    assert found.values is None

    data = ready(Boston())
    prices = data.read["train"].targets[data.splits.test.rows]
    found = overview(data).parts["test"]
    np.testing.assert_allclose(found.values.mean, prices.mean(0, dtype=np.float64))
    assert found.classes is None


def test_equal_samples_inside_and_across(tmp_path):
    path = tmp_path / "twins.csv"
    path.write_text("x,y\n" + "".join(f"{number // 2},{number % 2}\n" for number in range(40)))
    data = ready(CSV(path=path, target="y", task="classes"))
    found = overview(data)
    assert sum(found.repeated.values()) == 20  # cut from one split, twins stay together
    assert set(found.shared.values()) == {0}

    found = overview(ready(XOR()))
    assert set(found.shared.values()) == {4}
    assert set(found.repeated.values()) == {0}


def test_a_part_that_equal_samples_would_leave_empty_is_refused(tmp_path):
    path = tmp_path / "equal.csv"  # a validation of 5 takes none of two groups of 20 equal rows
    path.write_text("x,y\n" + "".join(f"{number % 2},{number % 2}\n" for number in range(40)))
    with pytest.raises(
        UserError, match="of 20 samples 5 cannot be set aside, since equal ones stay together"
    ):
        ready(CSV(path=path, target="y", task="classes", validation=5, test=20))


def test_what_no_part_has_is_left_out(tmp_path):
    found = overview(ready(Digits(size=8, store=tmp_path, train_fraction=0.5)))
    assert found.left_out == {"train": 1797 - sum(part.samples for part in found.parts.values())}
    assert found.left_out["train"] == found.parts["train"].samples


REVIEWS = {"neg": ["a dull film", "", "no joy no"], "pos": ["a fine film", "fine fine work", "joy"]}


def test_texts_are_measured_as_their_words(tmp_path):
    for split in ("train", "test"):
        for name, texts in REVIEWS.items():
            folder = tmp_path / "aclImdb" / split / name
            folder.mkdir(parents=True)
            for number, text in enumerate(texts):
                (folder / f"{number}_1.txt").write_text(
                    f"{text} unseen" if split == "test" and text else text
                )
    data = ready(IMDB(root=tmp_path, store=tmp_path, verify=False, validation=2, words=20, length=3))
    found = overview(data)
    test = found.parts["test"].texts
    lengths = [4, 0, 4, 4, 4, 2]
    assert (test.lengths.mean[0], test.lengths.smallest[0], test.lengths.largest[0]) == (3, 0, 4)
    assert test.lengths.spread[0] == pytest.approx(np.std(lengths))
    assert (test.words, test.unknown, test.empty, test.cut) == (18, 5, 1, 4)
    assert found.parts["train"].inputs is None
    train, val = found.parts["train"].texts, found.parts["val"].texts
    assert (train.words + val.words, train.unknown + val.unknown, train.cut + val.cut) == (13, 0, 0)
    assert sum(found.shared[part, "test"] for part in ("train", "val")) == 1  # the empty one


def test_examples_are_of_each_class(tmp_path):
    data = ready(Digits(size=8, store=tmp_path))
    rows = example_rows(data, 34)
    assert data.samples("train").targets[rows].tolist() == [digit for digit in range(10) for _ in range(3)]
    assert set(rows) <= set(data.splits.train.rows)
    assert len(example_rows(data, 3)) == 10
    assert example_rows(ready(Boston()), 5).tolist() == ready(Boston()).splits.train.rows[:5].tolist()


PROGRAM = """
import sys, numpy as np
from cnnlab.data.overview import overview
from cnnlab.data.store_writer import StoreWriter
from cnnlab.data.digits import Digits

class Large(Digits):
    def write(self, writer):
        images = writer.create("train", (256, 256, 1))
        for number in range(1500):
            images.append(np.full((256, 256, 1), number % 251, np.uint8), number % 10)

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

data = Large(size=256, store=sys.argv[1], memory="map")
data.prepare_data()
data.setup()
before = anonymous()
found = overview(data)
print(sum(part.samples for part in found.parts.values()), anonymous() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_mapped_images_take_memory_by_the_block(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True
    )
    samples, grown = ended.stdout.split()
    assert samples == "1500"
    assert float(grown) < 40  # MiB; the images have 94
