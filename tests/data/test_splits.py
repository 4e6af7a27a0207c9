import numpy as np
import pytest

from cnnlab.data.splits import draw, fold_numbers, split
from cnnlab.errors import UserError

LABELS = np.repeat(np.arange(4), [400, 300, 200, 100])


def rows_by_stored(splits):
    found = {}
    for part in splits.parts():
        found.setdefault(part.stored, []).append(part.rows)
    return found


@pytest.mark.parametrize("stratify", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {"validation": 0.1},
        {"validation": 123},
        {"rule": "halve_test"},
        {"validation": 0.3, "train_fraction": 0.25},
        {"validation": 0.1, "test": 0.2},
    ],
)
def test_no_two_parts_share_a_sample(settings, stratify):
    stored = {"train": LABELS} if "test" in settings else {"train": LABELS, "test": LABELS[::2]}
    splits = split(stored, stratify=stratify, **settings)
    for name, rows in rows_by_stored(splits).items():
        together = np.concatenate(rows)
        assert len(np.unique(together)) == len(together)
        assert together.min() >= 0
        assert together.max() < len(stored[name])


def test_the_official_test_set_stays_whole():
    splits = split({"train": LABELS, "test": LABELS[::2]}, validation=0.1)
    assert splits.test.stored == "test"
    np.testing.assert_array_equal(splits.test.rows, np.arange(500))
    assert (len(splits.train.rows), len(splits.val.rows)) == (900, 100)


def test_halving_the_test_set_leaves_train_whole():
    splits = split({"train": LABELS, "test": LABELS}, rule="halve_test")
    assert len(splits.train.rows) == 1000
    assert (splits.val.stored, splits.test.stored) == ("test", "test")
    assert (len(splits.val.rows), len(splits.test.rows)) == (500, 500)


def test_a_stored_validation_split_is_used_whole():
    splits = split({"train": LABELS, "val": LABELS[:50], "test": LABELS[:70]}, validation=0.1)
    assert (len(splits.train.rows), splits.val.stored, len(splits.val.rows)) == (1000, "val", 50)


def test_stratified_draws_keep_the_shares_as_scikit_learn_does():
    from sklearn.model_selection import train_test_split

    labels = np.random.default_rng(0).permutation(LABELS)
    ours = np.bincount(labels[draw(labels, 237, seed=0, stratify=True)])
    _, theirs = train_test_split(labels, test_size=237, stratify=labels, random_state=0)
    np.testing.assert_array_equal(ours, np.bincount(theirs))


def test_the_seed_alone_decides():
    first, again, other = (draw(LABELS, 100, seed, stratify=False) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_train_fraction_is_taken_after_validation():
    whole = split({"train": LABELS, "test": LABELS}, validation=0.2)
    quarter = split({"train": LABELS, "test": LABELS}, validation=0.2, train_fraction=0.25)
    np.testing.assert_array_equal(whole.val.rows, quarter.val.rows)
    assert len(quarter.train.rows) == 200
    assert set(quarter.train.rows) < set(whole.train.rows)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"validation": 0.0}, "data.validation"),
        ({"validation": 1.0}, "data.validation"),
        ({"validation": 1000}, "data.validation"),
        ({"validation": -5}, "data.validation"),
        ({"validation": None}, "data.validation"),
        ({"test": 1.5}, "data.test"),
        ({"rule": "halve_test"}, "data.split"),
    ],
)
def test_what_cannot_be_split_is_refused_by_its_key(settings, key):
    with pytest.raises(UserError, match=key):
        split({"train": LABELS}, **{"test": 0.2, **settings})


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize(("copies", "folds"), [([2], 2), ([2], 4), ([5], 5), ([1, 1, 2, 3, 7], 4)])
def test_folds_of_equal_samples_are_as_even_as_groups_allow(copies, folds, stratify):
    sizes = np.resize(copies, 40)
    digests = np.repeat(np.arange(40, dtype=np.uint64), sizes)
    labels = np.repeat(np.arange(40) % 2, sizes)
    number = fold_numbers(labels, folds, seed=0, stratify=stratify, digests=digests)
    counts = np.bincount(number, minlength=folds)
    assert np.ptp(counts) <= max(copies)
    assert all(len(np.unique(number[digests == digest])) == 1 for digest in range(40))
    if stratify:
        assert all(np.ptp(np.bincount(number[labels == c], minlength=folds)) <= max(copies) for c in (0, 1))


def test_folds_of_different_samples_are_those_of_dealt_cards():
    # So parted were the samples of recorded results.
    labels = np.random.default_rng(1).integers(0, 3, 50)
    order = np.random.default_rng(7).permutation(50)
    by_class = order[np.argsort(labels[order], kind="stable")]
    dealt = np.empty(50, dtype=np.int64)
    dealt[by_class] = np.arange(50) % 4
    assert fold_numbers(labels, 4, seed=7, stratify=True).tolist() == dealt.tolist()
