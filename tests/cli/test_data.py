import os
import re
import signal
import struct

import numpy as np
import pytest
from PIL import Image

from cnnlab.config.conf import groups
from cnnlab.data.store_writer import StoreWriter


def write_reviews(root, classes):
    for split in ("train", "test"):
        for name, texts in classes.items():
            folder = root / "aclImdb" / split / name
            folder.mkdir(parents=True)
            for number, text in enumerate(texts):
                (folder / f"{number}_1.txt").write_text(
                    text + (" again" if split == "test" and number else "")
                )


@pytest.fixture
def reviews(tmp_path):
    """Four reviews of each class; the first of each stands in train and in test."""
    write_reviews(
        tmp_path,
        {
            "neg": ["a dull film", "dull dull work", "what a bore", "no joy"],
            "pos": ["a fine film", "fine fine work", "what a film", "a joy"],
        },
    )
    return ["data.root=.", "data.store=stores", "data.verify=false", "data.validation=2"]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_half_prepared(cnnlab, tmp_path, reviews, monkeypatch, sent, code):
    def add_ids(self, *arguments, **settings):
        assert list((tmp_path / "stores").glob(".*.tmp"))
        os.kill(os.getpid(), sent)

    monkeypatch.setattr(StoreWriter, "add_ids", add_ids)
    ended, _, err = cnnlab("data", "prepare", "imdb", *reviews)
    assert (ended, err.count("\n")) == (code, 1)
    assert err.endswith("; nothing was prepared.\n")
    assert [path.suffix for path in (tmp_path / "stores").iterdir()] == [".lock"]


def test_list_names_every_data_set_and_reads_none(cnnlab, tmp_path, reviews):
    before = sorted(tmp_path.rglob("*"))
    code, out, err = cnnlab("data", "list", *reviews[:2])
    assert (code, err) == (0, "")
    _, *lines = out.splitlines()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[::2]}
    assert list(rows) == groups()["data"]
    assert rows["cifar10"] == "image 3 x 32 x 32 10 needs files"
    assert rows["digits"] == "image 1 x 32 x 32 10 built in"
    assert rows["xor"] == "tabular 2 2 built in"
    assert rows["csv"] == "tabular needs data.path"
    assert rows["image_folder"] == "image needs data.path"
    assert lines[-1] == "  The exclusive or: four points, which train, validate and test."
    assert rows["imdb"] == "tokens 400 2 files found"
    assert sorted(tmp_path.rglob("*")) == before


def test_list_tells_what_is_prepared(cnnlab, reviews):
    assert cnnlab("data", "prepare", "imdb", *reviews)[0] == 0
    assert re.search(r"^imdb .* 2  prepared$", cnnlab("data", "list", *reviews[:2])[1], re.MULTILINE)


def test_show_prints_numbers_and_draws_samples(cnnlab, tmp_path):
    code, out, err = cnnlab("data", "show", "digits", "data.size=8", "data.store=stores")
    assert (code, err) == (0, "")
    assert out.startswith("digits: image 1 x 8 x 8, 10 classes\n")
    assert re.search(r"samples .* 1,294 .* 144 .* 359 ", out)
    assert "equal samples: none" in out
    assert re.search(r"store: stores/digits-\w+\.h5, [\d.]+ kB", out)
    assert "picture: outputs/data/digits.png" in out
    with Image.open(tmp_path / "outputs" / "data" / "digits.png") as picture:
        assert picture.width > 500


def test_show_takes_the_settings_of_a_training_and_a_place_for_the_picture(cnnlab, tmp_path):
    words = ["data", "show", "pima", "data.missing=[insulin]", "data.folds=4", "--picture", "here/pima.png"]
    code, out, _ = cnnlab(*words)
    assert code == 0
    assert re.search(r"samples .* 518 .* 58 .* 192 ", out)
    assert re.search(r"insulin .* 2\d\d ", out)
    assert (tmp_path / "here" / "pima.png").exists()
    assert not (tmp_path / "outputs").exists()


def test_show_of_noisy_images(cnnlab, tmp_path):
    raw, rng = tmp_path / "MNIST" / "raw", np.random.default_rng(0)
    raw.mkdir(parents=True)
    for stem in ("train", "t10k"):
        for name, shape in (("images-idx3", (12, 28, 28)), ("labels-idx1", (12,))):
            header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
            content = rng.integers(0, 10, shape, dtype=np.uint8)
            (raw / f"{stem}-{name}-ubyte").write_bytes(header + content.tobytes())
    words = ["data.root=.", "data.store=stores", "data.verify=false", "data.validation=2", "data.noise=0.5"]
    code, out, _ = cnnlab("data", "show", "mnist", *words)
    assert code == 0
    assert out.startswith("mnist: image 1 x 28 x 28, the clean image as its target\n")
    assert "equal samples: none" in out
    page = np.asarray(Image.open(tmp_path / "outputs" / "data" / "mnist.png").convert("L"))
    assert {0, 255} <= set(page[page.shape[0] // 2])  # noise beside black


def test_show_of_values(cnnlab, tmp_path):
    code, out, _ = cnnlab("data", "show", "boston")
    assert code == 0
    assert re.search(r"target .* 5 .* 50 ", out)
    assert (tmp_path / "outputs" / "data" / "boston.png").exists()


def test_show_of_reviews_tells_leaks_and_prints_two(cnnlab, tmp_path, reviews):
    code, out, _ = cnnlab("data", "show", "imdb", *reviews)
    assert code == 0
    assert "data.drop_leaks=true leaves out the 2 of train and validation that are also in test" in out
    assert "bad bytes: 0 in train, 0 in test" in out
    assert len(re.findall(r"^(neg|pos): \w+ \w+", out, re.MULTILINE)) == 2
    assert not (tmp_path / "outputs").exists()

    code, out, _ = cnnlab("data", "show", "imdb", *reviews, "data.drop_leaks=true")
    assert code == 0
    assert "left out: 2 of the stored train" in out
    assert "equal samples: none" in out
    assert "leaves out" not in out


def test_prepare_says_what_it_did_and_does_it_once(cnnlab, tmp_path, reviews):
    code, first, _ = cnnlab("data", "prepare", "imdb", *reviews)
    assert code == 0
    assert first.startswith("imdb: 6 train, 2 val, 8 test\n")
    (store,) = (tmp_path / "stores").glob("imdb-*.h5")
    assert f"stores/{store.name}, " in first
    assert "prepared in" in first
    before = store.stat().st_mtime_ns
    code, again, _ = cnnlab("data", "prepare", "imdb", *reviews)
    assert code == 0
    assert "prepared in" not in again
    assert store.stat().st_mtime_ns == before


def test_a_table_has_nothing_to_prepare(cnnlab, tmp_path):
    code, out, _ = cnnlab("data", "prepare", "xor")
    assert (code, out) == (
        0,
        "xor: 4 train, 4 val, 4 test\nstore: none; the table is made anew in each run\n",
    )
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_of_reviews_is_a_mistake(cnnlab, tmp_path):
    (tmp_path / "raw" / "aclImdb" / "train" / "neg").mkdir(parents=True)
    words = ["data.root=raw", "data.store=stores", "data.verify=false"]
    for verb in ("show", "prepare"):
        code, out, err = cnnlab("data", verb, "imdb", *words)
        assert (code, out) == (2, "")
        assert err == (
            "cnnlab: raw/aclImdb holds no review in train/neg, where files such as 0_3.txt belong\n"
        )
    assert not list((tmp_path / "stores").glob("*.h5"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "data: what is to be done is missing; say data list, data show NAME or data prepare NAME"),
        (["shwo", "mnist"], "data shwo: there is no such thing; did you mean show? say data list"),
        (["mnist"], "data mnist: there is no such thing; did you mean list? say data list"),
        (["show"], "data show: the name of a data set is missing. There are birds, boston"),
        (["show", "mnst"], "data show mnst: there is no such data set; did you mean mnist? There are"),
        (["show", "_images"], "data show _images: there is no such data set"),
        (["show", "data=mnist"], "data show data=mnist: the name alone is enough: data show mnist."),
        (["prepare", "data.root=x"], "data prepare data.root=x: the name of a data set comes first."),
        (["show", "digits", "data.sise=8"], "data.sise: data has no key sise; did you mean size?"),
        (["show", "digits", "--picture"], "data show: --picture: expected one argument"),
        (["show", "digits", "--picture", "x.jpg"], "data show --picture x.jpg: its name must end in .png."),
        (["show", "digits", "--pictur", "x"], "--pictur: there is no such flag here"),
        (["prepare", "digits", "--picture", "x"], "--picture: there is no such flag here"),
        (["show", "csv"], "data.path: needs a value"),
        (
            ["list", "data.size=3"],
            "data list data.size=3: allowed are data.root=FOLDER and data.store=FOLDER",
        ),
        (["show", "imdb", "data.drop_leaks=true", "data.folds=3"], "data.drop_leaks=true: "),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(cnnlab, tmp_path, words, said):
    code, out, err = cnnlab("data", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"cnnlab: {said}")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_written_is_a_mistake(cnnlab, tmp_path):
    (tmp_path / "taken").touch()
    code, _, err = cnnlab("data", "show", "xor", "--picture", "taken/xor.png")
    assert code == 2
    assert err.startswith("cnnlab: taken/xor.png: the picture cannot be written there")


def test_a_setting_is_no_verb(cnnlab):
    code, _, err = cnnlab("data=mnst")
    assert code == 2
    assert "data=mnst: there is no such data; did you mean mnist?" in err
