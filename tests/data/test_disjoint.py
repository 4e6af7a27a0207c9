"""For every data set and every way to split it: no part shares a row or an equal sample with another."""

import itertools

import numpy as np
import pytest

from cnnlab.config.compose import compose, groups
from cnnlab.config.make import make
from cnnlab.data.store_writer import StoreWriter
from cnnlab.data.stored import StoredDataModule

STORED, DIFFERENT = 8, 6  # samples of a class: a quarter of what is stored is equal to something else
NEEDED = {
    "image_folder": ["data.path=photos"],
    "csv": ["data.path=table.csv"],
    "birds": ["data.size=8"],
    "caltech101": ["data.size=8"],
}
SPLITS = {
    "as it comes": [],
    "a third validates": ["data.validation=0.3"],
    "seven validate": ["data.validation=7"],
    "halved test": ["data.split=halve_test"],
    "folds": ["data.folds=3", "data.fold=1", "data.validation=0.2"],
    "part of train": ["data.train_fraction=0.5", "data.split_seed=3"],
    "stratified": ["data.stratify=true", "data.validation=0.25"],
    "not stratified": ["data.stratify=false", "data.validation=0.25"],
    "other test": ["data.test=0.3", "data.validation=0.3"],
}
# The exclusive or has four points and no others; the logistic map draws its three parts.
NO_FOLDS = ("xor",)


def settings_for(name):
    cfg = compose([f"data={name}", *NEEDED.get(name, [])]).data
    for split, overrides in SPLITS.items():
        if "test" in split and ("halved" in split) != (cfg.test is None):
            continue
        if "halved" in split and name in (*NO_FOLDS, "logistic_map"):
            continue
        if not (split == "folds" and name in NO_FOLDS):
            yield split, overrides


CASES = [(name, split) for name in groups()["data"] for split, _ in settings_for(name)]


@pytest.fixture
def here(tmp_path, monkeypatch, write_picture):
    """A folder with pictures and a table, some of them equal, in which the test works."""
    monkeypatch.chdir(tmp_path)
    for kind, i in itertools.product(("cats", "dogs"), range(20)):
        path = tmp_path / "photos" / kind / f"{i}.png"
        if i % 4 == 3:
            path.write_bytes((path.parent / f"{i - 1}.png").read_bytes())
        else:
            write_picture(path)
    rows = [f"{i % 30},{(i % 30) ** 2},{'no' if i % 30 < 15 else 'yes'}" for i in range(40)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,y", *rows]))
    return tmp_path


def write_store(data):
    """Fill the store of a data set with made samples, of which some are equal."""
    draw, spec = np.random.default_rng(0), data.spec
    names = spec.class_names or ("0", "1")
    different = DIFFERENT * len(names)
    samples = STORED * len(names)
    stored = ("train",) if data.test is not None else ("train", "test")
    with StoreWriter(
        data.store_path,
        class_names=names,
        source="made",
        verified=True,
        options=data.stored_options,
    ) as writer:
        for part in stored:
            content = draw.permutation(np.arange(samples) % different)
            labels = (content % len(names)).astype(np.int64)
            if spec.kind == "image":
                channels, height, width = spec.input_shape
                pool = draw.integers(0, 256, (different, height, width, channels), dtype=np.uint8)
                writer.add(part, pool[content], labels)
            else:
                pool = draw.integers(0, 50, (different, 9)).astype(np.int32)
                offsets = np.arange(samples + 1, dtype=np.int64) * 9
                writer.add_ids(part, pool[content].ravel(), offsets, labels)


@pytest.mark.parametrize(("name", "split"), CASES)
def test_parts_share_no_row_and_no_equal_sample(name, split, here):
    overrides = [f"data={name}", *NEEDED.get(name, []), *SPLITS[split]]
    cfg = compose(overrides).data
    if "store" in cfg:
        cfg.store = str(here / "stores")
    data = make("data", cfg)
    if isinstance(data, StoredDataModule) and name != "image_folder":
        write_store(data)
    data.prepare_data()
    data.setup()
    contents = data.contents()
    for one, other in itertools.combinations(data.splits.parts(), 2):
        assert len(one.rows)
        assert len(np.unique(one.rows)) == len(one.rows)
        assert one.rows.max() < len(contents[one.stored].labels)
        if one.stored == other.stored:
            assert not np.isin(one.rows, other.rows).any()
            digests = contents[one.stored].digests
            assert not np.isin(digests[one.rows], digests[other.rows]).any()
