import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from cnnlab.data.reviews import ReviewTexts, encode_reviews, tokenize
from cnnlab.data.vocabulary import FIRST_WORD, UNKNOWN, encoder

WORDS = ["bad", "film", "good", "not", "plot", "the", "was"]


@pytest.fixture
def texts():
    """Sixty texts of up to twelve words, one of them empty."""
    draw = np.random.default_rng(0)
    return ["", *(" ".join(draw.choice(WORDS, draw.integers(1, 13))) for _ in range(59))]


def encoded(texts, words, ngrams):
    split = ReviewTexts(tuple(text.encode() for text in texts), np.zeros(len(texts), np.int64))
    return encode_reviews({"train": split, "test": split}, words, ngrams)


@pytest.mark.parametrize("ngrams", [1, 2, 3])
def test_every_run_of_words_is_counted_as_scikit_learn_counts_it(texts, ngrams):
    theirs = CountVectorizer(ngram_range=(1, ngrams)).fit(texts)
    expected = theirs.transform(texts).toarray()
    reviews = encoded(texts, 10_000, ngrams)
    part = reviews.splits["test"]

    assert sorted(reviews.vocabulary) == sorted(theirs.get_feature_names_out())
    columns = [theirs.vocabulary_[spelled] for spelled in reviews.vocabulary]
    for number, (start, end) in enumerate(zip(part.offsets[:-1], part.offsets[1:], strict=True)):
        counts = np.bincount(part.ids[start:end] - FIRST_WORD, minlength=len(columns))
        assert np.array_equal(counts, expected[number, columns])


def test_the_commonest_get_ids_and_equally_common_ones_by_their_letters(texts):
    theirs = CountVectorizer(ngram_range=(1, 2)).fit(texts)
    totals = theirs.transform(texts).toarray().sum(0)
    ranked = sorted(theirs.vocabulary_, key=lambda spelled: (-totals[theirs.vocabulary_[spelled]], spelled))

    assert encoded(texts, 12, 2).vocabulary == tuple(ranked[:10])


def test_words_come_first_and_unknown_pairs_are_left_out():
    train = ReviewTexts((b"not good not good bad",), np.array([0]))
    test = ReviewTexts((b"not good plot", b"bad"), np.array([0, 1]))
    reviews = encode_reviews({"train": train, "test": test}, 5, 2)

    assert reviews.vocabulary == ("good", "not", "not good")
    assert reviews.splits["test"].ids.tolist() == [3, 2, UNKNOWN, 4, UNKNOWN]
    assert reviews.splits["test"].offsets.tolist() == [0, 4, 5]
    assert reviews.splits["test"].unknown_words == 2


def test_runs_do_not_reach_from_one_text_into_the_next():
    split = ReviewTexts((b"a b", b"", b"c d"), np.array([0, 0, 1]))
    assert "b c" not in encode_reviews({"train": split}, 100, 3).vocabulary


def test_a_single_word_has_no_pairs():
    split = ReviewTexts((b"alone",), np.array([0]))
    assert encode_reviews({"train": split}, 100, 3).vocabulary == ("alone",)


@pytest.mark.parametrize("ngrams", [1, 3])
def test_a_new_text_gets_the_ids_that_it_has_in_the_store(texts, ngrams):
    reviews = encoded(texts, 60, ngrams)
    part, encode = reviews.splits["train"], encoder(reviews.vocabulary)
    for text, start, end in zip(texts, part.offsets[:-1], part.offsets[1:], strict=True):
        assert encode(tokenize(text)) == part.ids[start:end].tolist()
