"""Tables from CSV files: numbers, categories as columns of 0 and 1, missing values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.input_format import Column
from cnnlab.data.sheet import (
    EVERY_COLUMN,
    WORDS,
    Markers,
    Sheet,
    as_list,
    different,
    has_decimal_comma,
    number_of,
    read_sheet,
)
from cnnlab.errors import UserError

Task = Literal["classes", "values", "auto"]
Numbers = NDArray[np.float32] | NDArray[np.float64]

MOST_CATEGORIES = 1000  # of one column: an identifier taken for a category would fill the memory
MOST_AUTO_CLASSES = 20
COARSEST = 0.01  # of a column's deviation: what two neighbouring numbers of 32 bits may differ by


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of numbers, and what is to be predicted of each.

    Args:
        features: float32 ``(n, columns)``; NaN where a value is missing.
        targets: class numbers, int64 ``(n,)``, or values, float32 ``(n, k)``.
        feature_names: one per column of the features.
        class_names: one per class; empty where the targets are values.
        target_name: name of what is predicted.
        columns: those that became features; none where each feature was a column of numbers.
        file_columns: names of all columns of the file.
        header: the line that names them as it stands there, empty without one; None where there is no file.
        units: of some columns, by their names.
    """

    features: NDArray[np.float32]
    targets: NDArray[np.int64] | NDArray[np.float32]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    target_name: str
    columns: tuple[Column, ...] = ()
    file_columns: tuple[str, ...] = ()
    header: tuple[str, ...] | None = None
    units: Mapping[str, str] = field(default_factory=dict)


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
        task: ``classes``, ``values``, or ``auto``: classes if the target is text throughout, or at most 20
            whole numbers each of which stands in two rows or more on average.

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
    sheet = read_sheet(Path(path).expanduser(), header, names, missing or {})
    target_name = sheet.target(target)
    for key, chosen in (("categorical", categorical), ("drop", drop)):
        sheet.check_names(key, chosen)
        if target_name in chosen:
            raise UserError(f"data.{key} names {target_name!r}, which is the target (data.target={target}).")
    sheet.mark_missing()
    targets, class_names = _targets(sheet, target_name, task)
    features: dict[str, Numbers] = {}
    columns = []
    for name in sheet.columns:
        if name == target_name or name in drop:
            continue
        column = Column(name, _categories(sheet, name) if name in categorical else None, sheet.markers(name))
        columns.append(column)
        found: Mapping[str, Numbers] = (
            one_hot(sheet, column)
            if column.categories is not None
            else {name: _numbers(sheet, name, categorical)}
        )
        differing = [len(np.unique(values[~np.isnan(values)])) for values in found.values()]
        if all(number < 2 for number in differing):
            what = "is constant" if any(differing) else "is empty"
            raise UserError(
                f"{sheet.path}: the column {name!r} {what}, so that nothing can be learnt from it;"
                f" data.drop={as_list([*drop, name])} leaves it out."
            )
        if twice := [feature for feature in found if feature in features]:
            raise UserError(
                f"{sheet.path}: the column {name!r} would become the feature {twice[0]!r}, which another"
                f" column is already; data.drop={as_list([*drop, name])} leaves it out."
            )
        features |= found
    if not columns:
        raise UserError(f"data.drop leaves no column of {sheet.path} beside the target {target_name!r}.")
    return Table(
        np.stack([_in_32_bits(sheet, name, values) for name, values in features.items()], 1),
        targets,
        tuple(features),
        class_names,
        target_name,
        tuple(columns),
        tuple(sheet.columns),
        sheet.header,
    )


def _in_32_bits(sheet: Sheet, name: str, values: Numbers) -> NDArray[np.float32]:
    """Return numbers as the network computes with them, if that can tell them apart.

    Raises:
        UserError: if they differ by less than what 32 bits keep of them, as seconds since 1970 may.
    """
    known = values[~np.isnan(values)].astype(np.float64)
    if not len(known):
        return values.astype(np.float32)
    if np.spacing(np.float32(np.abs(known).max())) > COARSEST * known.std() > 0:
        raise UserError(
            f"{sheet.path}: the numbers of the column {name!r} ({known.min():.15g} to {known.max():.15g}) lie"
            " too close together for their size to be told apart in 32 bits; subtract one of them from all."
        )
    return values.astype(np.float32)


def _numbers(sheet: Sheet, name: str, categorical: Sequence[str] | None) -> NDArray[np.float64]:
    """Return a column as numbers; ``categorical`` is None for the target, which has another way out."""
    values = np.full(len(sheet.lines), np.nan)
    for row, text in enumerate(sheet.columns[name]):
        if text is None:
            continue
        value = number_of(text)
        if value is None:
            ways = ["data.task=classes takes the column for classes"]
            if categorical is not None:
                key = name if _is_key(name) else EVERY_COLUMN
                markers = map(str, (*sheet.missing.get(key, ()), text))
                ways = [
                    f"data.missing={{{key}: {as_list(markers)}}} takes it for a missing value",
                    f"data.categorical={as_list([*categorical, name])} takes the column for categories",
                ]
            if has_decimal_comma(text):
                ways = ["decimals are read with a point: save the file so"]
            elif row == 0 and sheet.header_guessed:
                ways.append("data.header=true takes the line for a header")
            raise UserError(f"{sheet.place(row, name)}: {text!r} is not a number; {', '.join(ways)}.")
        values[row] = value
    return values


def _is_key(name: str) -> bool:
    """Whether an override's dictionary, which takes no quoted keys, can name a column."""
    try:
        float(name)
    except ValueError:
        return bool(re.fullmatch(r"[\w .-]+", name, re.ASCII)) and name.lower() not in WORDS
    return name.isdecimal() and name == str(int(name))  # 1_000 and 1e3 come as other numbers


def _categories(sheet: Sheet, name: str) -> tuple[str, ...]:
    sheet.merge_spellings(name)
    categories = different(sheet.columns[name])
    if len(categories) > MOST_CATEGORIES:
        found = f"column {name!r} of {sheet.path} has {len(categories)} different values"
        raise UserError(f"data.categorical: {found}; allowed are {MOST_CATEGORIES}.")
    return categories


def one_hot(sheet: Sheet, column: Column) -> dict[str, NDArray[np.float32]]:
    """Return a feature of 0 and 1 for each category of a column; NaN where the value is missing."""
    texts = np.array(sheet.columns[column.name], object)
    hot = np.array([texts == category for category in column.categories or ()], np.float32)
    hot = hot.reshape(-1, len(texts))
    hot[:, [text is None for text in texts]] = np.nan
    return dict(zip(column.feature_names, hot, strict=True))


def _targets(
    sheet: Sheet, name: str, task: Task
) -> tuple[NDArray[np.int64] | NDArray[np.float32], tuple[str, ...]]:
    column = sheet.columns[name]
    if None in column:
        row = column.index(None)
        raise UserError(f"{sheet.place(row, name)}: the target is missing (data.target); each row needs one.")
    sheet.merge_spellings(name)
    class_names = different(column)
    targets: NDArray[np.int64] | NDArray[np.float32]
    if task == "values" or (task == "auto" and not _are_classes(class_names, len(column))):
        numbers = _numbers(sheet, name, None)[:, np.newaxis]
        targets, class_names = _in_32_bits(sheet, name, numbers), ()
    else:
        if task == "auto" and len(class_names) > max(MOST_AUTO_CLASSES, len(column) // 2):
            raise UserError(
                f"data.target={name}: {len(class_names)} different texts in {len(column)} rows are hardly "
                "classes; another column can be named, or data.task=classes takes them all the same."
            )
        number = {category: index for index, category in enumerate(class_names)}
        targets = np.array([number[str(text)] for text in column], np.int64)
    if len(np.unique(targets)) < 2:
        only = f"{sheet.path} has {column[0]!r} in every row"
        raise UserError(f"data.target={name}: {only}; two classes or values are needed.")
    return targets, class_names


def _are_classes(found: Sequence[str], rows: int) -> bool:
    values = [value for value in map(number_of, found) if value is not None]
    if len(values) < len(found):  # a text among numbers may be a slip, or stand for a missing value
        return not values
    few = len(found) <= min(MOST_AUTO_CLASSES, rows // 2)
    return few and all(value.is_integer() for value in values)
