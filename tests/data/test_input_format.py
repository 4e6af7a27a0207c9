import json

import pytest

from cnnlab.data.input_format import Column, InputFormat
from cnnlab.data.mnist import MNIST
from cnnlab.data.spec import DataSpec
from cnnlab.data.tabular import CSV, XOR, Boston, Pima

CARS = "weight,colour,origin,price\n1200,red,JP,10\n?,blue,DE,20\n900,red,JP,8\n1500,green,US,30\n"


def test_every_part_comes_back_from_json(tmp_path):
    (tmp_path / "cars.csv").write_text(CARS)
    cars = CSV(
        path=tmp_path / "cars.csv",
        target="price",
        task="values",
        missing={"weight": ["?"]},
        categorical=["colour"],
        drop=["origin"],
    )
    for data in (cars, Boston(), Pima(missing=["bmi"]), XOR(), MNIST(permute_pixels=True), MNIST(noise=0.1)):
        form = data.input_format
        assert InputFormat.from_json(form.as_json()) == form

    assert cars.input_format.columns == (
        Column("weight", missing=("?",)),
        Column("colour", ("blue", "green", "red")),
    )
    assert cars.input_format.file_columns == ("weight", "colour", "origin", "price")
    assert Pima(missing=["bmi"]).input_format.columns[5] == Column("bmi", missing=("0",))


IMAGE = {"name": "a", "kind": "image", "input_shape": [1, 2, 2], "target": "classes", "outputs": 2}
TABLE = IMAGE | {"kind": "tabular", "input_shape": [1], "feature_names": ["x"]}


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({}, "spec: Field required"),
        ([1], "valid dictionary|an object"),
        ({"spec": IMAGE, "run": "rm"}, "run: Unexpected keyword argument"),
        ({"spec": IMAGE | {"outputs": "2"}}, "valid integer"),
        ({"spec": IMAGE | {"input_shape": [1, 10**6, 10**6]}}, "cannot be"),
        ({"spec": IMAGE | {"input_shape": [4]}}, "no samples of shape"),
        ({"spec": IMAGE | {"class_names": ["one"]}}, "1 class names for 2 outputs"),
        ({"spec": IMAGE, "permutation": [0, 1, 2, 2]}, "permutation"),
        ({"spec": TABLE, "columns": [{"name": "y"}]}, "columns"),
        ({"spec": IMAGE | {"kind": "tokens", "input_shape": [4]}, "vocabulary": ["a"]}, "too many"),
    ],
)
def test_a_strangers_format_is_refused_in_a_line(plain, words):
    with pytest.raises(ValueError, match=words) as refusal:
        InputFormat.from_json(json.dumps(plain))
    assert "\n" not in str(refusal.value)


def test_a_format_that_is_right_is_taken():
    spec = DataSpec("a", "image", (1, 2, 2), "classes", 2)
    assert InputFormat.from_json(json.dumps({"spec": IMAGE, "permutation": [3, 2, 1, 0]})) == InputFormat(
        spec=spec, permutation=(3, 2, 1, 0)
    )
