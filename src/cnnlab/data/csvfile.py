"""Tables from CSV files: numbers, categories as columns of 0 and 1, missing values."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import UserError, did_you_mean

Task = Literal["classes", "values", "auto"]
Markers = Mapping[str, Sequence[str | float]]

EVERY_COLUMN = "*"
MOST_CATEGORIES = 1000  # of one column: an identifier taken for a category would fill the memory
MOST_AUTO_CLASSES = 20

_WORDS = frozenset({"null", "true", "false", "nan", "inf"})
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of numbers, and what is to be predicted of each.

    Args:
        features: float32 ``(n, columns)``; NaN where a value is missing.
        targets: class numbers, int64 ``(n,)``, or values, float32 ``(n, k)``.
        feature_names: one per column of the features.
        class_names: one per class; empty where the targets are values.
        target_name: name of what is predicted.
    """

    features: NDArray[np.float32]
    targets: NDArray[np.int64] | NDArray[np.float32]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    target_name: str


def read_csv(
    path: str | Path,
    *,
    target: str | int,
    header: bool | None = None,
    names: Sequence[str] = (),
    missing: Markers | None = None,
    categorical: Sequence[str] = (),
    drop: Sequence[str] = (),
    task: Task = "auto",
) -> Table:
    r"""Read a table from a CSV file in UTF-8, its fields separated by commas or semicolons.

    An empty field is a missing value; a missing category is NaN in each of its columns.

    Args:
        path: the file.
        target: the column to predict: its name, or its position (0 is the first, -1 the last).
        header: whether the first row names the columns; None: it does if none of its fields is a number.
        names: names of all columns, in place of the header's or of ``column1``, ``column2``...
        missing: by column, or for every column under ``*``, what stands for a missing value. A number stands
            for all its spellings: ``0`` for ``0.0`` too.
        categorical: columns that become one column per category, sorted: ``colour=blue``, ``colour=red``.
        drop: columns that are left out.
        task: ``classes``, ``values``, or ``auto``: classes if the target is text, or at most 20 whole numbers
            each of which stands in two rows or more on average.

    Raises:
        UserError: if the file cannot be read, or a row or a column is wrong; it names the line.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "fruit.csv"
        >>> _ = path.write_text("grams,colour,fruit\n150,red,apple\n?,green,apple\n120,red,plum\n")
        >>> table = read_csv(path, target="fruit", missing={"grams": ["?"]}, categorical=["colour"])
        >>> table.feature_names, table.features[1]
        (('grams', 'colour=green', 'colour=red'), array([nan,  1.,  0.], dtype=float32))
        >>> table.targets, table.class_names
        (array([0, 0, 1]), ('apple', 'plum'))
    """
    sheet = _sheet(Path(path).expanduser(), header, names, missing or {})
    target_name = sheet.target(target)
    for key, chosen in (("categorical", categorical), ("drop", drop)):
        sheet.check_names(key, chosen)
        if target_name in chosen:
            raise UserError(f"data.{key} names {target_name!r}, which is the target (data.target={target}).")
    sheet.mark_missing()
    targets, class_names = _targets(sheet, target_name, task)
    columns: dict[str, NDArray[np.float32]] = {}
    for name in sheet.columns:
        if name == target_name or name in drop:
            continue
        found = _one_hot(sheet, name) if name in categorical else {name: _numbers(sheet, name, categorical)}
        if all(len(np.unique(values[~np.isnan(values)])) < 2 for values in found.values()):
            raise UserError(
                f"{sheet.path}: the column {name!r} is constant, so that nothing can be learnt from it;"
                f" data.drop={_list([*drop, name])} leaves it out."
            )
        columns |= found
    if not columns:
        raise UserError(f"data.drop leaves no column of {sheet.path} beside the target {target_name!r}.")
    return Table(np.stack(list(columns.values()), 1), targets, tuple(columns), class_names, target_name)


@dataclass(frozen=True)
class _Sheet:
    """The texts of a file by column, and the line of each row; None is a missing value."""

    path: Path
    columns: dict[str, list[str | None]]
    lines: list[int]
    header_guessed: bool
    missing: Markers

    def place(self, row: int, name: str) -> str:
        return f"{self.path}, line {self.lines[row]}, column {name!r}"

    def check_names(self, key: str, chosen: Iterable[str]) -> None:
        for name in chosen:
            if name not in self.columns:
                allowed = did_you_mean(name, self.columns) or f"; it has {_list([*self.columns][:20])}"
                raise UserError(f"data.{key}: {self.path} has no column {name!r}{allowed}")

    def target(self, target: str | int) -> str:
        if isinstance(target, str):
            self.check_names("target", [target])
            return target
        count = len(self.columns)
        if not -count <= target < count:
            allowed = f"a name, 0 to {count - 1}, or -{count} to -1"
            raise UserError(f"data.target={target}: {self.path} has {count} columns; allowed is {allowed}.")
        return list(self.columns)[target]

    def mark_missing(self) -> None:
        self.check_names("missing", (name for name in self.missing if name != EVERY_COLUMN))
        for name, column in self.columns.items():
            markers = {str(marker) for key in (EVERY_COLUMN, name) for marker in self.missing.get(key, ())}
            values = {_number(marker) for marker in markers} - {None}
            for row, text in enumerate(column):
                if not text or text in markers or (values and _number(text) in values):
                    column[row] = None


def _sheet(path: Path, header: bool | None, names: Sequence[str], missing: Markers) -> _Sheet:
    rows = _rows(path)
    line, first = rows[0]
    width = len(first)
    if width < 2:
        raise UserError(f"{path}, line {line} has one field; two or more are needed, separated by , or by ;.")
    if names and len(names) != width:
        raise UserError(f"data.names has {len(names)} names, and {path}, line {line} has {width} fields.")
    for row, fields in rows:
        if len(fields) != width:
            few = "few" if len(fields) < width else "many"
            raise UserError(f"{path}, line {row} has too {few} fields: {len(fields)}, not {width}.")
    if all(_number(field) is None for field in first) if header is None else header:
        rows = rows[1:]
    else:
        first = [""] * width
    columns = list(names) or [field or f"column{number}" for number, field in enumerate(first, 1)]
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        where = "data.names" if names else f"{path}, line {line}"
        raise UserError(f"{where} names {twice[0]!r} twice; data.names=[...] can name all {width} columns.")
    if not rows:
        raise UserError(f"{path} has no rows below its header; data.header=false takes line {line} as a row.")
    texts: dict[str, list[str | None]]
    texts = {name: [fields[index] for _, fields in rows] for index, name in enumerate(columns)}
    return _Sheet(path, texts, [row for row, _ in rows], header is None, missing)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, each with the line on which it begins."""
    text = _text(path)
    if not text.strip():
        raise UserError(f"data.path={path}: the file is empty.")
    rows, line = [], 1
    stream = partial(io.StringIO, newline="")  # the csv module wants the ends of lines as they are
    try:
        delimiter = max(",;", key=lambda sign: len(next(csv.reader(stream(text.lstrip()), delimiter=sign))))
        reader = csv.reader(stream(text), delimiter=delimiter, skipinitialspace=True, strict=True)
        for row in reader:
            fields = [field.strip() for field in row]
            if len(fields) > 1 or any(fields):
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line} is not a row of a CSV file: {error}.") from error
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        beside = (other.name for other in path.parent.iterdir()) if path.parent.is_dir() else ()
        raise UserError(
            f"data.path={path}: there is no such file{did_you_mean(path.name, beside)}."
        ) from error
    except OSError as error:
        raise UserError(f"data.path={path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        line, byte = 1 + error.object.count(b"\n", 0, error.start), error.object[error.start]
        raise UserError(
            f"{path}, line {line}: the byte {byte:#04x} is not UTF-8; save it as UTF-8."
        ) from error


def _number(text: str) -> float | None:
    """Return the number that a text is, or None; Python's own spellings (1_000, nan, inf) are none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST and "_" not in text else None


def _numbers(sheet: _Sheet, name: str, categorical: Sequence[str] | None) -> NDArray[np.float32]:
    """Return a column as numbers; ``categorical`` is None for the target, which has another way out."""
    values = np.full(len(sheet.lines), np.nan, np.float32)
    for row, text in enumerate(sheet.columns[name]):
        if text is None:
            continue
        value = _number(text)
        if value is None:
            ways = ["data.task=classes takes the column for classes"]
            if categorical is not None:
                # An override's dictionary takes no quoted key.
                key = name if re.fullmatch(r"[\w .-]+", name, re.ASCII) else EVERY_COLUMN
                markers = map(str, (*sheet.missing.get(key, ()), text))
                ways = [
                    f"data.missing={{{key}: {_list(markers)}}} takes it for a missing value",
                    f"data.categorical={_list([*categorical, name])} takes the column for categories",
                ]
            if row == 0 and sheet.header_guessed:
                ways.append("data.header=true takes the line for a header")
            raise UserError(f"{sheet.place(row, name)}: {text!r} is not a number; {', '.join(ways)}.")
        values[row] = value
    return values


def _one_hot(sheet: _Sheet, name: str) -> dict[str, NDArray[np.float32]]:
    column = sheet.columns[name]
    categories = _sorted(column)
    if len(categories) > MOST_CATEGORIES:
        found = f"column {name!r} of {sheet.path} has {len(categories)} different values"
        raise UserError(f"data.categorical: {found}; allowed are {MOST_CATEGORIES}.")
    texts = np.array(column, object)
    hot = np.array([texts == category for category in categories], np.float32).reshape(-1, len(column))
    hot[:, [text is None for text in column]] = np.nan
    return {f"{name}={category}": values for category, values in zip(categories, hot, strict=True)}


def _targets(
    sheet: _Sheet, name: str, task: Task
) -> tuple[NDArray[np.int64] | NDArray[np.float32], tuple[str, ...]]:
    column = sheet.columns[name]
    if None in column:
        row = column.index(None)
        raise UserError(f"{sheet.place(row, name)}: the target is missing (data.target); each row needs one.")
    class_names = _sorted(column)
    targets: NDArray[np.int64] | NDArray[np.float32]
    if task == "values" or (task == "auto" and not _are_classes(class_names, len(column))):
        targets, class_names = _numbers(sheet, name, None)[:, np.newaxis], ()
    else:
        number = {category: index for index, category in enumerate(class_names)}
        targets = np.array([number[str(text)] for text in column], np.int64)
    if len(np.unique(targets)) < 2:
        only = f"{sheet.path} has {column[0]!r} in every row"
        raise UserError(f"data.target={name}: {only}; two classes or values are needed.")
    return targets, class_names


def _are_classes(different: Sequence[str], rows: int) -> bool:
    values = [value for value in map(_number, different) if value is not None]
    few = len(different) <= min(MOST_AUTO_CLASSES, rows // 2)
    return not values or (few and all(value.is_integer() for value in values))


def _sorted(column: Iterable[str | None]) -> tuple[str, ...]:
    """Return the different texts, in the order of their numbers where all are numbers."""
    different = sorted({text for text in column if text is not None})
    values = {text: value for text in different if (value := _number(text)) is not None}
    return tuple(sorted(different, key=values.__getitem__) if len(values) == len(different) else different)


def _list(names: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, names))}]"


def _quoted(name: str) -> str:
    """Return a name as a list of an override takes it, whose grammar has a use for some signs and words."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.lower() not in _WORDS
    return name if plain else "'{}'".format(name.replace("'", r"\'"))
