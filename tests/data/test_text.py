import numpy as np
import pytest
import torch

from cnnlab.data.store_writer import StoreWriter
from cnnlab.data.text import IMDB
from cnnlab.errors import UserError

GOOD = ["a fine film", "fine fine work", "what a film", "a joy"]
BAD = ["a dull film", "dull dull work", "what a bore", "no joy"]


@pytest.fixture
def ready(tmp_path):
    for split in ("train", "test"):
        for name, texts in (("pos", GOOD), ("neg", BAD)):
            folder = tmp_path / "aclImdb" / split / name
            folder.mkdir(parents=True)
            for i, text in enumerate(texts):
                (folder / f"{i}_7.txt").write_text(text + (" again" if split == "test" else ""))

    def make(**settings):
        settings = {"validation": 2, "length": 4, "words": 30, **settings}
        data = IMDB(root=tmp_path, store=tmp_path / "store", verify=False, **settings)
        data.prepare_data()
        data.setup()
        return data

    return make


def test_both_views_come_from_the_same_ids(ready):
    sequences, counts = ready(), ready(view="counts")
    assert sequences.store_path == counts.store_path
    (ids, labels), (words, same) = (next(iter(data.test_dataloader())) for data in (sequences, counts))
    assert torch.equal(labels, same)
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    for row, counted in zip(ids, words, strict=True):
        expected = np.bincount(row[row > 0], minlength=30)
        assert counted.tolist() == expected.tolist()


def test_the_vocabulary_is_that_of_train(ready):
    vocabulary = ready().opened.vocabulary
    assert "dull" in vocabulary
    assert "again" not in vocabulary


def test_the_spec_is_known_before_any_file_is_read(tmp_path):
    spec = IMDB(root=tmp_path / "nowhere", view="counts", words=500).spec
    assert (spec.kind, spec.input_shape, spec.outputs) == ("counts", (500,), 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("view", ["sequences", "counts"])
@pytest.mark.parametrize("split", ["official", "halve_test"])
def test_leaks_leave_training_and_validation(ready, tmp_path, view, split):
    for name, texts in (("pos", GOOD), ("neg", BAD)):
        (tmp_path / "aclImdb" / "test" / name / "2_7.txt").write_text(f"{texts[0]}!")
    kept, dropped = (ready(view=view, split=split, drop_leaks=drop) for drop in (False, True))
    assert kept.store_path == dropped.store_path
    assert kept.fingerprint() != dropped.fingerprint()

    def served(data, *parts):
        return [
            (tuple(inputs.tolist()), int(label))
            for part in parts
            for batch in [next(iter(data.batches(getattr(data.splits, part))))]
            for inputs, label in zip(*batch, strict=True)
        ]

    learned = ("train", "val") if split == "official" else ("train",)
    tested = ("test",) if split == "official" else ("val", "test")
    assert sorted(served(kept, *tested)) == sorted(served(dropped, *tested))
    leaked = set(served(kept, *learned)) & set(served(kept, *tested))
    assert {label for _, label in leaked} == {0, 1}
    assert sorted(served(dropped, *learned)) == sorted(
        sample for sample in served(kept, *learned) if sample not in leaked
    )


def test_leaks_and_folds_do_not_go_together(tmp_path):
    with pytest.raises(UserError, match=r"data\.drop_leaks=true: "):
        IMDB(root=tmp_path, drop_leaks=True, folds=3)


def test_ids_are_spelled_as_words(ready):
    data = ready()
    texts = data.samples("test").texts
    start, stop = texts.offsets[:2].tolist()
    assert data.spelled(texts.ids[start:stop].tolist()) == ["a", "dull", "film", "?"]
    assert data.opened.counted == {"bad bytes": {"train": 0, "test": 0}}


@pytest.mark.parametrize("wrong", [-1, 0, 30, 25])
def test_a_store_with_ids_that_stand_for_no_word_is_refused(ready, wrong):
    data = ready()
    data.store_path.unlink()
    writer = StoreWriter(
        data.store_path,
        class_names=data.spec.class_names,
        source="a stranger",
        verified=True,
        options=data.stored_options,
    )
    ids = np.array([(2 + i, 3, wrong, 5) for i in range(8)], np.int32).ravel()
    with writer as target:
        target.vocabulary = tuple("abcdefgh")
        for part in ("train", "test"):
            target.add_ids(part, ids, np.arange(9) * 4, np.arange(8) % 2)
    with pytest.raises(UserError, match=r"holds ids from .*, and words are 1 to 9\); delete that file"):
        ready().samples("train")
