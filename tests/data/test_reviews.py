"""Film reviews: one order for folder and archive, ids by scikit-learn's counts, a sentence per damage."""

import gzip
import io
import itertools
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from cnnlab.data import reviews as module
from cnnlab.data.reviews import ReviewTexts, encode_reviews, read_reviews, tokenize
from cnnlab.data.vocabulary import FIRST_WORD, UNKNOWN
from cnnlab.errors import UserError

FILES = {
    "train/neg/10_2.txt": b"A dull, dull film.<br /><br />Don't go!",
    "train/neg/9_1.txt": b"dull",
    "train/neg/0_4.txt": b"",
    "train/pos/2_10.txt": b"A good film; caf\xe9 and \xff\xfe.",
    "train/pos/11_7.txt": b"good GOOD bad",
    "train/pos/3_8.txt": "Amélie: a good film".encode(),
    "test/neg/1_3.txt": b"unheard-of film",
    "test/neg/12_3.txt": b"dull",
    "test/pos/0_9.txt": b"<br />... ",
    "test/pos/1_9.txt": b"good GOOD bad",
}
ORDER = {
    "train": ["neg/0_4", "neg/9_1", "neg/10_2", "pos/2_10", "pos/3_8", "pos/11_7"],
    "test": ["neg/1_3", "neg/12_3", "pos/0_9", "pos/1_9"],
}
BESIDE = {  # what the release and unpacking programs leave beside the reviews
    "README": b"Large Movie Review Dataset v1.0",
    "train/unsup/0_0.txt": b"not a labelled review",
    "train/urls_pos.txt": b"http://www.imdb.com",
    "train/pos/._2_10.txt": b"\x00\x05\x16\x07",
    "train/labeledBow.feat": b"9 0:9",
}


def write_folder(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = root / "aclImdb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_archive(root: Path, files: dict[str, bytes], packed: bool, prefix: str = "") -> Path:
    path = root / ("aclImdb_v1.tar.gz" if packed else "aclImdb_v1.tar")
    with tarfile.open(path, "w:gz" if packed else "w:") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{prefix}aclImdb/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("layout", ["folder", ".tar", ".tar.gz", "./"])
def test_every_layout_gives_one_order(tmp_path: Path, layout: str) -> None:
    files = FILES | BESIDE
    if layout == "folder":
        write_folder(tmp_path, files)
    else:
        shuffled = dict(reversed(files.items()))
        write_archive(tmp_path, shuffled, layout == ".tar.gz", "./" if layout == "./" else "")
    before = sorted(tmp_path.rglob("*"))
    found = read_reviews(tmp_path, verify=False)
    assert list(found) == ["train", "test"]
    for split, names in ORDER.items():
        assert list(found[split].texts) == [FILES[f"{split}/{name}.txt"] for name in names]
        assert found[split].labels.tolist() == [int(name.startswith("pos")) for name in names]
        assert found[split].labels.dtype == np.int64
    assert sorted(tmp_path.rglob("*")) == before


def test_missing_reviews_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "_URL", "http://127.0.0.1:9/aclImdb_v1.tar.gz")
    with pytest.raises(UserError) as caught:
        read_reviews(tmp_path, verify=False)
    for part in (
        "no IMDB data: put aclImdb_v1.tar.gz",
        "7c2ac02c03563afcf9b574c7e56c153a",  # as torchtext and PaddlePaddle have it
        str(tmp_path),
    ):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("layout", ["folder", "archive"])
@pytest.mark.parametrize("lacking", ["train/neg", "test/pos"])
def test_a_class_without_a_review(tmp_path: Path, layout: str, lacking: str) -> None:
    kept = {name: content for name, content in FILES.items() if not name.startswith(lacking)}
    if layout == "folder":
        write_folder(tmp_path, kept | {f"{lacking}/notes.txt": b""})
    else:
        write_archive(tmp_path, kept, packed=True)
    with pytest.raises(UserError, match=f"aclImdb.* holds no review in {lacking}"):
        read_reviews(tmp_path, verify=False)


def test_part_of_the_release_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    write_folder(tmp_path, FILES)
    with pytest.raises(UserError, match=r"holds 3 reviews in train/neg, not .* 12500; .*data\.verify=false"):
        read_reviews(tmp_path, verify=True)


def test_another_archive_is_not_the_official_one(tmp_path: Path) -> None:
    write_archive(tmp_path, FILES, packed=True)
    with pytest.raises(UserError, match=r"not the official file.*7c2ac02c.*data\.verify=false"):
        read_reviews(tmp_path, verify=True)


def test_a_compressed_archive_cut_anywhere(tmp_path: Path) -> None:
    path = write_archive(tmp_path, FILES, packed=True)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=re.escape(str(path))):
            read_reviews(tmp_path, verify=False)


def test_a_plain_archive_cut_between_or_inside_its_blocks(tmp_path: Path) -> None:
    path = write_archive(tmp_path, FILES, packed=False)
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for length in [*range(0, end + 1, 512), *range(100, end, 512)]:
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=re.escape(str(path))):
            read_reviews(tmp_path, verify=False)
    path.write_bytes(whole[: end + 1024])
    assert len(read_reviews(tmp_path, verify=False)["test"].texts) == 4


@pytest.mark.parametrize("packed", [True, False])
def test_a_damaged_header_inside(tmp_path: Path, packed: bool) -> None:
    path = write_archive(tmp_path, FILES | BESIDE, packed)
    whole = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    header = whole.index(b"aclImdb/README")
    whole[header + 148 : header + 156] = b"garbage "  # its checksum; all reviews stand before it
    path.write_bytes(gzip.compress(whole) if packed else whole)
    with pytest.raises(UserError, match="is damaged: it ends too early"):
        read_reviews(tmp_path, verify=False)


def test_an_archive_with_a_link_or_a_huge_review(tmp_path: Path) -> None:
    path = tmp_path / "aclImdb_v1.tar"
    link, huge = tarfile.TarInfo("aclImdb/train/neg/0_1.txt"), tarfile.TarInfo("aclImdb/train/neg/0_1.txt")
    link.type, link.linkname, huge.size = tarfile.SYMTYPE, "/etc/passwd", 2**40
    for member, message in ((link, "is not a plain file"), (huge, "declares 1099511627776 bytes")):
        with tarfile.open(path, "w:") as tar:
            tar.addfile(member)
        with pytest.raises(UserError, match=f"0_1.txt {message}"):
            read_reviews(tmp_path, verify=False)


# The words of Keras's text_to_word_sequence after a replacement of "<br />" by a space.
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("<br /><br />", []),
        ("It's 'so-so'...<br />NOT_great\t(10/10)\n", ["it's", "'so", "so'", "not", "great", "10", "10"]),
        ("caf\u00e9\u2014bar \u201cquoted\u201d", ["caf\u00e9\u2014bar", "\u201cquoted\u201d"]),
        ("a\x85b\xa0c d", ["a\x85b\xa0c", "d"]),
        ('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', []),
        ("five < six and <b>bold</b>", ["five", "six", "and", "b", "bold", "b"]),
    ],
)
def test_words_are_kerass(text: str, words: list[str]) -> None:
    assert tokenize(text) == words


def texts_of(splits: dict[str, list[str]]) -> dict[str, ReviewTexts]:
    return {
        name: ReviewTexts(tuple(text.encode() for text in texts), np.zeros(len(texts), np.int64))
        for name, texts in splits.items()
    }


def random_texts(seed: int, number: int) -> list[str]:
    rng = np.random.default_rng(seed)
    words = np.array(["".join(pair) for pair in itertools.product("abcdefgh", repeat=2)])
    likely = 1.0 / np.arange(1, len(words) + 1)
    return [" ".join(rng.choice(words, rng.integers(0, 40), p=likely / likely.sum())) for _ in range(number)]


@pytest.mark.parametrize("words", [3, 20, 64, 1000])
def test_ids_are_by_scikit_learns_counts(words: int) -> None:
    splits = {"train": random_texts(0, 60), "test": random_texts(1, 30)}
    splits["test"][5] += " never seen"
    encoded = encode_reviews(texts_of(splits), words)
    counter = CountVectorizer(analyzer=str.split).fit(splits["train"])
    total = counter.transform(splits["train"]).sum(axis=0).A1
    names = counter.get_feature_names_out()
    ranked = [str(names[i]) for i in np.lexsort((names, -total))][: words - 2]
    assert list(encoded.vocabulary) == ranked
    for name, texts in splits.items():
        split = encoded.splits[name]
        expected = [[ranked.index(w) + 2 if w in ranked else 1 for w in text.split()] for text in texts]
        assert split.offsets.tolist() == np.cumsum([0, *map(len, expected)]).tolist()
        assert split.ids.tolist() == list(itertools.chain(*expected))
        assert split.unknown_words == list(itertools.chain(*expected)).count(UNKNOWN)
        assert (split.ids.dtype, split.offsets.dtype) == (np.int32, np.int64)
        assert split.ids.max() < words


def test_equally_common_words_stand_by_their_letters() -> None:
    encoded = encode_reviews(texts_of({"train": ["pear fig fig apple", "pear date"]}), 5)
    assert encoded.vocabulary == ("fig", "pear", "apple")


def test_a_word_of_test_alone_is_unknown_and_moves_nothing() -> None:
    alone = encode_reviews(texts_of({"train": ["good film"]}))
    both = encode_reviews(texts_of({"test": ["zest zest zest film"], "train": ["good film"]}))
    assert alone.vocabulary == both.vocabulary == ("film", "good")
    assert both.splits["test"].ids.tolist() == [UNKNOWN, UNKNOWN, UNKNOWN, FIRST_WORD]
    assert both.splits["train"].ids.tolist() == alone.splits["train"].ids.tolist() == [3, 2]


def test_bad_bytes_and_empty_reviews_are_counted_and_kept(tmp_path: Path) -> None:
    write_folder(tmp_path, FILES)
    encoded = encode_reviews(read_reviews(tmp_path, verify=False))
    train, test = encoded.splits["train"], encoded.splits["test"]
    assert (train.bad_bytes, train.empty) == (3, 1)
    assert (test.bad_bytes, test.empty, test.unknown_words) == (0, 1, 2)
    assert np.diff(train.offsets).tolist() == [0, 1, 6, 6, 4, 3]
    assert np.diff(test.offsets).tolist() == [3, 1, 0, 3]
    assert encoded.vocabulary[:2] == ("good", "a")
    assert {"caf\ufffd", "amélie", "don't"} <= set(encoded.vocabulary)


def test_files_from_windows_lose_no_word() -> None:
    plain = ReviewTexts((b"a good\nfilm", b"bad"), np.array([1, 0]))
    windows = ReviewTexts((b"\xef\xbb\xbfa good\r\nfilm", b"bad\r\n"), np.array([1, 0]))
    found = [encode_reviews({"train": texts}) for texts in (plain, windows)]
    assert found[0].vocabulary == found[1].vocabulary
    assert np.array_equal(*(one.splits["train"].ids for one in found))
    assert found[1].splits["train"].bad_bytes == 0


def test_another_encoding_shows_as_bad_bytes() -> None:
    texts = ReviewTexts(("good film".encode("utf-16-le"), b"bad"), np.array([1, 0]))
    encoded = encode_reviews({"train": texts})
    assert encoded.splits["train"].bad_bytes == len("good film")
    assert not any("\0" in word for word in encoded.vocabulary)


def test_a_replacement_character_of_the_author_is_no_bad_byte() -> None:
    text = "\ufffd".encode() + b"\xc3\xa9\xc3"
    encoded = encode_reviews({"train": ReviewTexts((text,), np.zeros(1, np.int64))})
    assert encoded.splits["train"].bad_bytes == 1


@pytest.mark.parametrize("words", [2, 0, -5, 2**31])
def test_too_few_or_too_many_ids(words: int) -> None:
    with pytest.raises(UserError, match=rf"data\.words={words}: "):
        encode_reviews(texts_of({"train": ["good"]}), words)
