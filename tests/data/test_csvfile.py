"""CSV files: scikit-learn's own, published figures of the packaged ones, a sentence for each mistake."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
from hydra.core.override_parser.overrides_parser import OverridesParser
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import OneHotEncoder

from cnnlab.data import tables
from cnnlab.data.csvfile import MOST_CATEGORIES, Table, read_csv
from cnnlab.data.raw import md5_of
from cnnlab.data.tables import PIMA_MISSING, boston, pima
from cnnlab.errors import UserError

SKLEARN = Path(sklearn.datasets.__file__).parent / "data"
COLOURS = "size,colour,kind\n1,red,a\n2,blue,b\n3,red,a\n5,green,b\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def read(path: Path, content: str | bytes, **settings: Any) -> Table:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(path, **{"target": -1, **settings})


def test_iris_as_scikit_learn_reads_it() -> None:
    iris = sklearn.datasets.load_iris()
    # Its first line is no header in the usual sense: 150,4,setosa,versicolor,virginica.
    table = read_csv(
        SKLEARN / "iris.csv", header=True, names=[*iris.feature_names, "species"], target="species"
    )
    assert np.array_equal(table.features, iris.data.astype(np.float32))
    assert np.array_equal(table.targets, iris.target)
    assert (table.features.dtype, table.targets.dtype) == (np.float32, np.int64)
    assert table.feature_names == tuple(iris.feature_names)
    assert (table.class_names, table.target_name) == (("0", "1", "2"), "species")


@pytest.mark.parametrize("dialect", ["excel", "unix"])
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_values_survive_being_written_by_the_csv_module(
    path: Path, dialect: str, delimiter: str, encoding: str
) -> None:
    diabetes = sklearn.datasets.load_diabetes(scaled=False)
    names = ['"quoted"', "two\nlines", "a,b", "a;b", "año", *diabetes.feature_names[5:], "progression"]
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, dialect, delimiter=delimiter)
        writer.writerow(names)
        writer.writerows(np.column_stack([diabetes.data, diabetes.target]).tolist())
    table = read_csv(path, target="progression")
    assert np.array_equal(table.features, diabetes.data.astype(np.float32))
    assert np.array_equal(table.targets, diabetes.target.astype(np.float32)[:, np.newaxis])
    assert table.feature_names == tuple(names[:-1])
    assert (table.class_names, table.targets.dtype) == ((), np.float32)


def test_one_hot_columns_are_scikit_learns(path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = [
        (generator.choice(["red", "green", "blue"]), generator.choice(["S", "M", "L"])) for _ in range(60)
    ]
    text = "\n".join(f"{index},{colour},{size},{index % 2}" for index, (colour, size) in enumerate(rows))
    table = read(path, f"number,colour,size,y\n{text}\n", categorical=["size", "colour"])
    encoder = OneHotEncoder(sparse_output=False).fit(rows)
    assert table.feature_names[1:] == tuple(
        name.replace("_", "=", 1) for name in encoder.get_feature_names_out(["colour", "size"])
    )
    assert np.array_equal(table.features[:, 1:], encoder.transform(rows))


def test_a_missing_category_is_missing_in_each_of_its_columns(path: Path) -> None:
    table = read(path, "x,c,y\n1,b,0\n2,,1\n3,?,0\n4,a,1\n", categorical=["c"], missing={"c": ["?"]})
    nan = np.nan
    expected = np.array([[1, 0, 1], [2, nan, nan], [3, nan, nan], [4, 1, 0]], np.float32)
    assert np.array_equal(table.features, expected, equal_nan=True)


def test_markers_go_by_column_and_numbers_by_value(path: Path) -> None:
    text = "pregnancies,glucose,y\n0,0.0,1\n1,148,0\nNA,0,1\n3,,0\n4,85,1\n"
    table = read(path, text, missing={"glucose": [0], "*": ["NA"]})
    expected = np.array([[0, np.nan], [1, 148], [np.nan, np.nan], [3, np.nan], [4, 85]], np.float32)
    assert np.array_equal(table.features, expected, equal_nan=True)
    assert table.class_names == ("0", "1")


def test_without_a_header_columns_are_numbered(path: Path) -> None:
    table = read(path, "1,2,0\n3,4,1\n", target="column3", task="classes")
    assert (table.feature_names, len(table.features)) == (("column1", "column2"), 2)
    forced = read(path, "a,b,yes\nc,b,no\nc,d,yes\n", header=False, categorical=["column1", "column2"])
    assert forced.feature_names == ("column1=a", "column1=c", "column2=b", "column2=d")
    half = read(path, ",b,y\n1,2,0\n3,4,1\n", task="classes")
    assert half.feature_names == ("column1", "b")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("sign", [",", ";"])
def test_blank_lines_spaces_and_ends_of_lines(path: Path, end: str, sign: str) -> None:
    lines = [
        "",
        " ",
        f'x{sign} "y"{sign} kind',
        "",
        f"1{sign}  2 {sign}no",
        "   ",
        f'3{sign}"4"{sign} yes',
        "",
    ]
    table = read(path, end.join(lines))
    assert table.features.tolist() == [[1, 2], [3, 4]]
    assert (table.feature_names, table.class_names) == (("x", "y"), ("no", "yes"))
    with pytest.raises(UserError, match=r"table\.csv, line 5, column 'y': '2,5' is not a number"):
        read(path, end.join([*lines[:4], f'1{sign}"2,5"{sign}no', *lines[5:]]))


@pytest.mark.parametrize(("target", "name"), [("size", "size"), (0, "size"), (-3, "size"), (2, "kind")])
def test_target_by_name_or_position(path: Path, target: str | int, name: str) -> None:
    categorical = [column for column in ("colour", "kind") if column != name]
    table = read(path, COLOURS, target=target, categorical=categorical)
    assert table.target_name == name
    assert not any(feature.split("=")[0] == name for feature in table.feature_names)


@pytest.mark.parametrize(
    ("targets", "class_names"),
    [
        (["1", "0", "1", "0"], ("0", "1")),
        (["1.0", "2.0", "1.0", "2.0"], ("1.0", "2.0")),
        (["2", "10", "2", "10"], ("2", "10")),
        (["yes", "no", "no", "perhaps"], ("no", "perhaps", "yes")),
        (["1", "2", "3", "3"], ()),
        (["0.5", "1.5", "0.5", "1.5"], ()),
        ([str(number // 2) for number in range(40)], tuple(map(str, range(20)))),
        ([str(number // 2) for number in range(42)], ()),
    ],
)
def test_what_auto_takes_for_classes(path: Path, targets: list[str], class_names: tuple[str, ...]) -> None:
    table = read(path, "x,y\n" + "".join(f"{row},{target}\n" for row, target in enumerate(targets)))
    assert table.class_names == class_names
    if class_names:
        assert [class_names[number] for number in table.targets] == targets
    else:
        assert table.targets.tolist() == [[float(target)] for target in targets]


def test_one_number_spelled_in_several_ways_is_one_class_and_one_category(path: Path) -> None:
    table = read(path, "size,y\n1,0\n1.0,1\n2,0.0\n2e0,1.0\n,1\n", categorical=["size"])
    assert table.class_names == ("0", "1")
    assert table.targets.tolist() == [0, 1, 0, 1, 1]
    assert table.feature_names == ("size=1", "size=2")
    assert table.features[:4].tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]


def test_codes_with_leading_zeros_are_not_numbers(path: Path) -> None:
    table = read(path, "zip,y\n0100,0\n100,1\n100,0\n0100,1\n", categorical=["zip"])
    assert table.feature_names == ("zip=0100", "zip=100")


@pytest.mark.parametrize("header", ["Height, cm;Weight, kg;y", "Height, in cm, bare;Weight;y"])
def test_the_sign_that_parts_fields_is_the_one_that_fits_the_rows(path: Path, header: str) -> None:
    assert len(read(path, f"{header}\n180;75;1\n160;60;0\n").feature_names) == 2


def test_task_overrules(path: Path) -> None:
    assert read(path, "x,y\n1,0\n2,1\n3,0\n4,1\n", task="values").targets.tolist() == [[0], [1], [0], [1]]
    assert read(path, "x,y\n1,7.5\n2,1\n", task="classes").class_names == ("1", "7.5")


DATES = "x,y\n" + "".join(f"{day},{day // 30 + 1}.{day % 30 + 1}.2026\n" for day in range(60))
SECONDS = "when,y\n" + "".join(f"{1_700_000_000 + i},{i % 2}\n" for i in range(60))
WIDE = "alpha,beta,gamma,y\n1,2,3,a\n4,5,6,b\n"
MISTAKES = {
    "text": ("x,age,y\n1,2,0\n3,old,1\n", {}, "table.csv, line 3, column 'age': 'old' is not a number"),
    "underscore": ("x,y\n1,0\n1_000,1\n", {}, "line 3, column 'x': '1_000' is not a number"),
    "infinite": ("x,y\n1,0\ninf,1\n", {}, "line 3, column 'x': 'inf' is not a number"),
    "beyond float32": ("x,y\n1,0\n1e39,1\n", {}, "line 3, column 'x': '1e39' is not a number"),
    "few": ("x,z,y\n1,2,0\n\n1,1\n", {}, "table.csv, line 4 has too few fields: 2, not 3."),
    "many": ("x,z,y\n1,2,0\n1,1,1,1\n", {}, "table.csv, line 3 has too many fields: 4, not 3."),
    "one field": ("x\ty\n1\t2\n", {}, "table.csv, line 1 has one field; two or more"),
    "open quote": ('x,y\n1,0\n2,"1\n3,0\n', {}, "table.csv, line 3 is not a row of a CSV file: "),
    "bytes": (b"x,y\n1,0\n\xe9,1\n", {}, "table.csv, line 3: the byte 0xe9 is not UTF-8"),
    "utf-16": ("x,y\n1,0\n".encode("utf-16"), {}, "table.csv, line 1: the byte 0xff is not UTF-8"),
    "empty": ("", {}, "table.csv: the file is empty."),
    "only blanks": ("\ufeff\n  \n\n", {}, "table.csv: the file is empty."),
    "header alone": ("x,y\n", {}, "table.csv has no rows below its header; data.header=false"),
    "target": (WIDE, {"target": "gama"}, "data.target: {path} has no column 'gama'; did you mean gamma?"),
    "far target": (WIDE, {"target": "Z"}, "no column 'Z'; it has [alpha, beta, gamma, y]"),
    "position": (WIDE, {"target": 4}, "data.target=4: {path} has 4 columns; allowed is a name, 0 to 3, or"),
    "missing": (WIDE, {"missing": {"bet": ["0"]}}, "data.missing: {path} has no column 'bet'; did you mean"),
    "categorical": (WIDE, {"categorical": ["alfa"]}, "categorical: {path} has no column 'alfa'; did you"),
    "drop": (WIDE, {"drop": ["betta"]}, "data.drop: {path} has no column 'betta'; did you mean beta?"),
    "drop target": (WIDE, {"drop": ["y"]}, "data.drop names 'y', which is the target (data.target=-1)."),
    "categorical target": (WIDE, {"categorical": ["y"]}, "data.categorical names 'y', which is the target"),
    "drop all": (WIDE, {"drop": ["alpha", "beta", "gamma"]}, "data.drop leaves no column of {path} beside"),
    "names": (WIDE, {"names": ["a", "b"]}, "data.names has 2 names, and {path}, line 1 has 4 fields."),
    "same names": (WIDE, {"names": ["a", "b", "a", "c"]}, "data.names names 'a' twice;"),
    "same headers": ("x,x,y\n1,2,0\n", {}, "table.csv, line 1 names 'x' twice; data.names=[...] can name"),
    "target empty": ("x,y\n1,0\n\n2,\n", {}, "line 4, column 'y': the target is missing (data.target)"),
    "target marked": ("x,y\n1,0\n2,?\n", {"missing": {"*": ["?"]}}, "line 3, column 'y': the target is"),
    "one class": ("x,y\n1,a\n2,a\n", {}, "data.target=y: {path} has 'a' in every row; two classes or values"),
    "one value": ("x,y\n1,3\n2,3.0\n", {"task": "values"}, "data.target=y: {path} has '3' in every row;"),
    "text target": ("x,y\n1,1.5\n2,2.5\n3,high\n", {}, "'high' is not a number; data.task=classes takes"),
    "constant": ("x,z,y\n1,7,0\n2,7.0,1\n", {}, "the column 'z' is constant, so that"),
    "constant or missing": ("x,z,y\n1,7,0\n2,,1\n", {}, "the column 'z' is constant"),
    "gap in a class": ("x,y\n1,0\n2,1\n3,0\n4,1\n5,NA\n", {}, "line 6, column 'y': 'NA' is not a number; "),
    "never there": ("x,z,y\n1,,0\n2,,1\n", {}, "the column 'z' is empty"),
    "one category": ("x,z,y\n1,a,0\n2,a,1\n", {"categorical": ["z"]}, "the column 'z' is constant"),
    "decimal comma": ("x;y\n0,5;0\n0,7;1\n", {}, "column 'x': '0,5' is not a number; decimals are read"),
    "dates": (DATES, {}, "data.target=y: 60 different texts in 60 rows are hardly classes; another column"),
    "seconds": (SECONDS, {}, "the numbers of the column 'when' (1700000000 to 1700000059) lie too close"),
    "close values": (SECONDS, {"target": "when"}, "the numbers of the column 'when' (1700000000 to 17000000"),
    "no category": ("x,z,y\n1,,0\n2,,1\n", {"categorical": ["z"]}, "the column 'z' is empty"),
    "commas alone": ("0,5;-0,6;0\n0,7;0,2;1\n", {}, "column 'column1': '0,5' is not a number; decimals are"),
    "one comma": ("1,75;m;a\n2,80;f;b\n1,60;m;a\n", {}, "column 'column1': '1,75' is not a number; decimals"),
    "thousands": ("x;y\n1.234,5;0\n7;1\n", {}, "'1.234,5' is not a number; decimals are read with a point"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(path: Path, mistake: str) -> None:
    content, settings, message = MISTAKES[mistake]
    with pytest.raises(UserError) as caught:
        read(path, content, **settings)
    said = str(caught.value)
    assert message.format(path=path).rstrip(".") in said
    assert str(path) in said or "data." in said
    assert "\n" not in said
    assert "data.header=true" not in said


def test_too_many_categories(path: Path) -> None:
    rows = "".join(f"{row},name{row},{row % 2}\n" for row in range(MOST_CATEGORIES + 1))
    with pytest.raises(UserError, match=r"data\.categorical: column 'who' of .* has 1001 different values"):
        read(path, f"x,who,y\n{rows}", categorical=["who"])


@pytest.mark.parametrize(
    "content", ["a,a=x,kind\nx,1,0\ny,2,1\nx,5,0\n", "a=x,a,kind\n1,x,0\n2,y,1\n5,x,0\n"]
)
def test_a_column_that_is_called_like_a_category_is_refused(path: Path, content: str) -> None:
    with pytest.raises(UserError, match=r"would become the feature 'a=x', which another column is already"):
        read(path, content, categorical=["a"])


def test_no_such_file(path: Path) -> None:
    read(path, COLOURS, categorical=["colour"])
    for wrong, message in (
        (path.with_name("tabel.csv"), "there is no such file; did you mean table.csv?"),
        (path.parent / "nowhere" / "table.csv", "there is no such file."),
        (path.parent, "cannot be read: Is a directory"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            read_csv(wrong, target=-1)


ADVICE = [
    ("x,z,w,y\n1,7,1,0\n2,7,2,1\n", {"drop": ["w"]}, "drop", ("x",)),
    ("x,it's 5 %,y\n1,7,0\n2,7,1\n", {}, "drop", ("x",)),
    ("x,null,y\n1,7,0\n2,7,1\n", {}, "drop", ("x",)),
    ("x,año,y\n1,7,0\n2,7,1\n", {}, "drop", ("x",)),
    ("x,age,y\n1,3,0\n2,n/a,1\n3,4,0\n", {}, "missing", ("x", "age")),
    ("x,age,y\n1,-9,0\n2,?,1\n3,4,0\n4,5,1\n", {"missing": {"age": [-9]}}, "missing", ("x", "age")),
    ("x,my age-2,y\n1,3,0\n2,NA,1\n3,4,0\n", {}, "missing", ("x", "my age-2")),
    ("x,año,y\n1,3,0\n2,true,1\n3,4,0\n", {}, "missing", ("x", "año")),
    ("x,c,d,y\n1,a,e,0\n2,b,f,1\n", {"categorical": ["c"]}, "categorical", ("x", "c=a", "c=b", "d=e", "d=f")),
    ("x,2019,y\n1,3,0\n2,4,1\n", {}, "header", ("x", "2019")),
    ("x,2019,y\n1,?,0\n2,4,1\n3,5,1\n", {"header": True}, "missing", ("x", "2019")),
    ("x,1_000,y\n1,?,0\n2,4,1\n3,5,1\n", {"header": True}, "missing", ("x", "1_000")),
    ("x,1e3,y\n1,?,0\n2,4,1\n3,5,1\n", {"header": True}, "missing", ("x", "1e3")),
    ("x,true,y\n1,?,0\n2,4,1\n3,5,1\n", {}, "missing", ("x", "true")),
]  # fmt: skip


@pytest.mark.parametrize(("content", "settings", "key", "features"), ADVICE)
def test_what_a_message_advises_helps_as_hydra_reads_it(
    path: Path, content: str, settings: dict[str, Any], key: str, features: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        read(path, content, task="classes", **settings)
    advised = re.search(rf"data\.{key}=.*?(?= leaves| takes)", str(caught.value))
    assert advised is not None
    override = OverridesParser.create().parse_override(advised.group())
    assert (
        read(path, content, task="classes", **{**settings, key: override.value()}).feature_names == features
    )


def test_files_of_other_forms_are_told_apart() -> None:
    with pytest.raises(UserError, match=r"breast_cancer\.csv, line 2 has too many fields: 31, not 4"):
        read_csv(SKLEARN / "breast_cancer.csv", target=-1)
    with pytest.raises(UserError, match=r"linnerud_exercise\.csv, line 1 has one field"):
        read_csv(SKLEARN / "linnerud_exercise.csv", target=-1)
    with pytest.raises(UserError, match=r"iris\.csv, line 1, column .*data\.header=true takes the line"):
        read_csv(SKLEARN / "iris.csv", target=-1)


def test_boston_gives_the_published_regression() -> None:
    table = boston()
    assert (table.features.shape, table.targets.shape) == ((506, 13), (506, 1))
    assert not np.isnan(table.features).any()
    features = table.features.astype(np.float64)
    fit = LinearRegression().fit(features, table.targets[:, 0])
    # lm(medv ~ ., data = MASS::Boston) in R.
    published = {"CRIM": -0.10801, "CHAS": 2.68673, "NOX": -17.76661, "RM": 3.80987, "LSTAT": -0.52476}
    found = dict(zip(table.feature_names, fit.coef_, strict=True))
    assert {name: found[name] for name in published} == pytest.approx(published, abs=5e-5)
    assert fit.intercept_ == pytest.approx(36.45949, abs=5e-4)
    assert fit.score(features, table.targets[:, 0]) == pytest.approx(0.7406, abs=5e-5)


def test_pima_has_the_published_counts_and_means() -> None:
    table = pima()
    assert np.bincount(table.targets).tolist() == [500, 268]
    assert table.class_names == ("no diabetes", "diabetes")
    # R's summary(PimaIndiansDiabetes2) of mlbench.
    absent = dict(zip(table.feature_names, np.isnan(table.features).sum(0).tolist(), strict=True))
    assert {name: count for name, count in absent.items() if count} == {
        "glucose": 5, "pressure": 35, "triceps": 227, "insulin": 374, "bmi": 11,
    }  # fmt: skip
    means = dict(zip(table.feature_names, np.nanmean(table.features.astype(float), 0), strict=True))
    published = {
        "pregnancies": 3.845, "glucose": 121.7, "pressure": 72.41, "triceps": 29.15, "insulin": 155.5,
        "bmi": 32.46, "pedigree": 0.4719, "age": 33.24,
    }  # fmt: skip
    assert means == pytest.approx(published, rel=5e-4)


def test_pima_with_its_zeros_left_alone() -> None:
    marked, plain = pima().features, pima(missing=()).features
    assert np.array_equal(np.nan_to_num(marked), plain)
    fewer = pima(missing=[name for name in PIMA_MISSING if name != "triceps"])
    assert int(np.isnan(fewer.features).sum()) == 5 + 35 + 374 + 11


def test_the_readme_names_the_packaged_files() -> None:
    folder = Path(tables.__file__).parent
    readme = (folder / "README.txt").read_text(encoding="utf-8")
    files = sorted(folder.glob("*.csv"))
    assert len(files) == 2
    for file in files:
        assert f"{file.name} (" in readme
        assert md5_of(file) in readme
