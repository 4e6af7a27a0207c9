"""Batches of raw files and arrays are what the data module would have served of them."""

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlab.data.folder import ImageFolder
from cnnlab.data.input_format import InputFormat
from cnnlab.data.raw_inputs import batch_of, files_in, read_file
from cnnlab.data.spec import DataSpec
from cnnlab.data.tabular import CSV
from cnnlab.data.text import IMDB
from cnnlab.errors import UserError

RNG = np.random.default_rng(0)
REVIEWS = {
    "train/neg/0_1.txt": "A dull, dull film.<br /><br />Don't go!",
    "train/neg/1_1.txt": "dull dull DULL",
    "train/pos/0_9.txt": "A good film; a very good film",
    "train/pos/1_9.txt": "good",
    "test/neg/0_1.txt": "unheard-of film",
    "test/pos/0_9.txt": "A good one and that is all there is to say of it",
}


def served(data, stored="train"):
    data.prepare_data()
    data.setup()
    samples = data.samples(stored)
    return samples.inputs(torch.arange(len(samples)), torch.Generator())


@pytest.mark.parametrize("view", ["sequences", "counts"])
@pytest.mark.parametrize(("padding", "cut"), [("before", "start"), ("after", "end")])
def test_texts_become_what_they_were_in_training(tmp_path, view, padding, cut):
    for name, text in REVIEWS.items():
        path = tmp_path / "aclImdb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    settings = {"view": view, "words": 7, "length": 5, "padding": padding, "cut": cut}
    data = IMDB(root=tmp_path, store=tmp_path, verify=False, validation=1, **settings)
    wanted = served(data, "test")
    texts = [text for name, text in REVIEWS.items() if name.startswith("test")]

    assert torch.equal(batch_of(data.input_format, texts), wanted)
    (tmp_path / "one.txt").write_text(texts[1])
    assert torch.equal(read_file(data.input_format, tmp_path / "one.txt").inputs, wanted[1:])


def test_pictures_become_what_they_were_in_training(tmp_path):
    for number, name in enumerate(["a/1.png", "a/2.jpg", "b/3.png"]):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)).save(path)
    data = ImageFolder(
        path=tmp_path / "photos", store=tmp_path / "store", size=16, channels=1, test=1, validation=1
    )
    wanted = served(data)
    found, others = files_in(data.input_format, tmp_path / "photos")

    assert [path.name for path in found] == ["1.png", "2.jpg", "3.png"]
    assert others == 0
    for path, image in zip(found, wanted, strict=True):
        assert torch.equal(read_file(data.input_format, path).inputs, image.unsqueeze(0))


CARS = "weight;colour;origin;price\n1200;red;JP;10\n?;blue;DE;20\n900;;JP;8\n1500;green;US;30\n"


@pytest.fixture
def cars(tmp_path):
    (tmp_path / "cars.csv").write_text(CARS)
    return CSV(
        path=tmp_path / "cars.csv",
        target="price",
        task="values",
        missing={"weight": ["?"]},
        categorical=["colour"],
        drop=["origin"],
    )


@pytest.mark.parametrize(
    "text",
    [
        CARS,
        "colour,weight\nred,1200\nblue,?\n,900\ngreen,1500\n",  # named, in any order
        CARS.partition("\n")[2],  # without a header: as in training,
        "1200,red,JP\n?,blue,DE\n900,,JP\n1500,green,US\n",  # without the target,
        "1200,red\n?,blue\n900,\n1500,green\n",  # or those that are used
    ],
)
def test_rows_become_what_they_were_in_training(tmp_path, cars, text):
    path = tmp_path / "new.csv"
    path.write_text(text)

    found = read_file(cars.input_format, path)

    np.testing.assert_array_equal(found.inputs.numpy(), cars.read["train"].features)
    assert len(found.lines) == 4


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("2019,2020,y\n1,2,0\n3,4,1\n", {"header": True}),
        ("A,B,Y\n1,2,0\n3,4,1\n", {"names": ["a", "b", "y"]}),
        ("red,big,yes\nblue,small,no\n", {"header": False, "categorical": ["column1", "column2"]}),
        ("1,red,0\n2,blue,1\n", {"categorical": ["column2"]}),
        ("size,y\n1,0\n2.0,1\n", {"categorical": ["size"]}),
    ],
)
def test_the_file_of_the_training_is_read_as_in_training(tmp_path, text, settings):
    path = tmp_path / "table.csv"
    path.write_text(text)
    data = CSV(path=path, **settings)
    form = InputFormat.from_json(data.input_format.as_json())
    np.testing.assert_array_equal(read_file(form, path).inputs.numpy(), data.read["train"].features)


def test_a_category_may_be_spelled_as_another_number(tmp_path):
    (tmp_path / "table.csv").write_text("size,y\n1,0\n2,1\n")
    data = CSV(path=tmp_path / "table.csv", categorical=["size"])
    (tmp_path / "new.csv").write_text("size\n2.0\n")
    assert read_file(data.input_format, tmp_path / "new.csv").inputs.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weight,colour\n1200,rde\n", r"line 2, column 'colour': 'rde' is not among.*did you mean red\?"),
        ("weight,colour\n12oo,red\n", "line 2, column 'weight': '12oo' is not a number"),
        ("weihgt,colour\n1200,red\n", r"no column 'weight'; did you mean weihgt\?"),
        ("1,2,3,4,5\n", "5 columns and no header"),
        ("", "new.csv: the file is empty"),
        ("weight,colour\n1200\n", "line 2 has too few fields"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path, cars, text, words):
    path = tmp_path / "new.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=words) as refusal:
        read_file(cars.input_format, path)
    assert str(path) in str(refusal.value)
    assert "data.path" not in str(refusal.value)


GREY, COLOUR = (
    InputFormat(spec=DataSpec("images", "image", shape, "classes", 2)) for shape in ((1, 6, 8), (3, 6, 8))
)


def test_images_may_have_their_channels_first_or_last():
    last = RNG.integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
    assert torch.equal(batch_of(COLOUR, last), batch_of(COLOUR, last.transpose(0, 3, 1, 2)))
    assert torch.equal(batch_of(GREY, last[..., 0]), batch_of(GREY, last[..., :1]))


@pytest.mark.parametrize(
    "raw",
    [
        np.zeros((5, 6, 8, 3), np.float32),  # scaled already, perhaps
        np.zeros((5, 8, 6, 3), np.uint8),
        np.zeros((6, 8, 3), np.uint8),
        np.zeros((5, 6, 8), np.uint8),
        ["a text"],
    ],
)
def test_images_of_another_shape_or_type_are_refused(raw):
    with pytest.raises(UserError, match="the network takes"):
        batch_of(COLOUR, raw)


def test_what_is_no_file_of_the_kind_is_refused_by_its_name(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG rubbish")
    (tmp_path / "a.csv").write_text("1,2")
    (tmp_path / "b.txt").write_bytes(b"\0\1\2")
    words = InputFormat(spec=DataSpec("texts", "tokens", (4,), "classes", 2, vocabulary_size=3))
    for form, name, said in (
        (COLOUR, "a.png", "cannot be read as a picture"),
        (COLOUR, "a.csv", r"the network takes pictures, which are \.jpg"),
        (COLOUR, "b.png", r"no such file; did you mean a\.png\?"),
        (COLOUR, ".", "no such file"),
        (words, "b.txt", "not a text"),
        (words, "a.png", r"the network takes texts, which are \.txt"),
    ):
        with pytest.raises(UserError, match=said):
            read_file(form, tmp_path / name)


def test_ids_beyond_the_vocabulary_are_refused():
    words = InputFormat(spec=DataSpec("texts", "tokens", (2,), "classes", 2, vocabulary_size=3))
    assert batch_of(words, np.array([[0, 2]])).tolist() == [[0, 2]]
    for ids in ([[0, 3]], [[-1, 0]], [[0.5, 1.0]], [[1, 2, 2]]):
        with pytest.raises(UserError):
            batch_of(words, np.array(ids))
