"""The texts of a CSV file, by column and line, and the ways in which its mistakes are said."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cnnlab.errors import UserError, did_you_mean

Markers = Mapping[str, Sequence[str | float]]

EVERY_COLUMN = "*"

# What an override takes for something other than a text.
WORDS = frozenset({"null", "true", "false", "nan", "inf"})
_CODE = re.compile(r"0[0-9]+")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9.]*,[0-9]+")
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Sheet:
    """The texts of a file by column, and the line of each row; None is a missing value.

    ``header`` is the line that names the columns as it stands in the file, empty where there is none.
    """

    path: Path
    columns: dict[str, list[str | None]]
    lines: list[int]
    header: tuple[str, ...]
    header_guessed: bool
    missing: Markers

    def place(self, row: int, name: str) -> str:
        """Say where a field stands."""
        return f"{self.path}, line {self.lines[row]}, column {name!r}"

    def check_names(self, key: str, chosen: Iterable[str]) -> None:
        """Refuse names that are no columns."""
        for name in chosen:
            if name not in self.columns:
                allowed = did_you_mean(name, self.columns) or f"; it has {as_list([*self.columns][:20])}"
                raise UserError(f"data.{key}: {self.path} has no column {name!r}{allowed}")

    def target(self, target: str | int) -> str:
        """Name of the column to predict, which is given by name or position."""
        if isinstance(target, str):
            self.check_names("target", [target])
            return target
        count = len(self.columns)
        if not -count <= target < count:
            allowed = f"a name, 0 to {count - 1}, or -{count} to -1"
            raise UserError(f"data.target={target}: {self.path} has {count} columns; allowed is {allowed}.")
        return list(self.columns)[target]

    def markers(self, name: str) -> tuple[str, ...]:
        """What stands for a missing value in a column."""
        found = (str(marker) for key in (EVERY_COLUMN, name) for marker in self.missing.get(key, ()))
        return tuple(dict.fromkeys(found))

    def mark_missing(self) -> None:
        """Put None in place of what stands for a missing value."""
        self.check_names("missing", (name for name in self.missing if name != EVERY_COLUMN))
        for name in self.columns:
            self.mark(name, self.markers(name))

    def mark(self, name: str, markers: Sequence[str]) -> None:
        """Put None in place of empty fields and of these texts, or other spellings of the same numbers."""
        column = self.columns[name]
        values = {number_of(marker) for marker in markers} - {None}
        for row, text in enumerate(column):
            if not text or text in markers or (values and number_of(text) in values):
                column[row] = None

    def merge_spellings(self, name: str) -> None:
        """Write equal numbers of a column in one way, the shortest, if all of its texts are numbers.

        Numbers with a leading zero are codes, and none is merged beside them.
        """
        column = self.columns[name]
        found = sorted({text for text in column if text is not None}, key=lambda text: (len(text), text))
        values = {text: number_of(text) for text in found}
        if None in values.values() or any(map(_CODE.fullmatch, found)):
            return
        shortest: dict[float | None, str] = {}
        for text in found:
            shortest.setdefault(values[text], text)
        column[:] = [text if text is None else shortest[values[text]] for text in column]

    def spell_as(self, name: str, known: Sequence[str]) -> None:
        """Write what is equal in number to a known text as that one."""
        spelled = {number_of(text): text for text in known}
        if None in spelled or any(map(_CODE.fullmatch, known)):
            return
        column = self.columns[name]
        column[:] = [text if text is None else spelled.get(number_of(text), text) for text in column]


def read_sheet(
    path: Path, header: bool | None, names: Sequence[str], missing: Markers, least: int = 2
) -> Sheet:
    """Read a file's texts, see :func:`~cnnlab.data.csvfile.read_csv`; ``least`` columns are needed.

    Raises:
        UserError: if the file cannot be read, or its rows are not of one width; it names the line.
    """
    rows = _rows(path)
    line, first = rows[0]
    width = len(first)
    if width < least:
        raise UserError(f"{path}, line {line} has one field; two or more are needed, separated by , or by ;.")
    if names and len(names) != width:
        raise UserError(f"data.names has {len(names)} names, and {path}, line {line} has {width} fields.")
    for row, fields in rows:
        if len(fields) != width:
            few = "few" if len(fields) < width else "many"
            raise UserError(f"{path}, line {row} has too {few} fields: {len(fields)}, not {width}.")
    numbers = [number_of(field) is not None or has_decimal_comma(field) for field in first]
    has_header = not any(numbers) if header is None else header
    if has_header:
        rows = rows[1:]
    found = first if has_header else [""] * width
    columns = list(names) or [field or f"column{number}" for number, field in enumerate(found, 1)]
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        where = "data.names" if names else f"{path}, line {line}"
        raise UserError(f"{where} names {twice[0]!r} twice; data.names=[...] can name all {width} columns.")
    if not rows:
        raise UserError(f"{path} has no rows below its header; data.header=false takes line {line} as a row.")
    texts: dict[str, list[str | None]]
    texts = {name: [fields[index] for _, fields in rows] for index, name in enumerate(columns)}
    missing = {str(name): markers for name, markers in missing.items()}  # YAML reads 2021 as a number
    return Sheet(path, texts, [row for row, _ in rows], tuple(first) * has_header, header is None, missing)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, each with the line on which it begins."""
    text = _text(path)
    if not text.strip():
        raise UserError(f"data.path={path}: the file is empty.")
    rows, line = [], 1
    stream = partial(io.StringIO, newline="")  # the csv module wants the ends of lines as they are
    try:
        delimiter = max(",;", key=lambda sign: _fits(csv.reader(stream(text.lstrip()), delimiter=sign)))
        reader = csv.reader(stream(text), delimiter=delimiter, skipinitialspace=True, strict=True)
        for row in reader:
            fields = [field.strip() for field in row]
            if len(fields) > 1 or any(fields):
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line} is not a row of a CSV file: {error}.") from error
    return rows


def _fits(reader: Iterator[list[str]]) -> tuple[bool, int, int]:
    """Say how well a delimiter fits: whether two rows are as wide, how few fields stay joined, the width.

    Joined is a field of the second row in which there still is a delimiter that is no decimal comma.
    """
    width, second = len(next(reader)), next(reader, [])
    joined = [bool(re.search("[,;]", field)) and not has_decimal_comma(field.strip()) for field in second]
    return width > 1 and len(second) == width, -sum(joined), width


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        beside = (other.name for other in path.parent.iterdir()) if path.parent.is_dir() else ()
        raise UserError(
            f"data.path={path}: there is no such file{did_you_mean(path.name, beside) or '.'}"
        ) from error
    except OSError as error:
        raise UserError(f"data.path={path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        line, byte = 1 + error.object.count(b"\n", 0, error.start), error.object[error.start]
        raise UserError(
            f"{path}, line {line}: the byte {byte:#04x} is not UTF-8; save it as UTF-8."
        ) from error


def number_of(text: str) -> float | None:
    """Return the number that a text is, or None; Python's own spellings (1_000, nan, inf) are none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST and "_" not in text else None


def has_decimal_comma(text: str) -> bool:
    """Whether a text is a number as it is written with a comma.

    Examples:
        >>> has_decimal_comma("-1.234,5"), has_decimal_comma("1.5"), has_decimal_comma("a,5")
        (True, False, False)
    """
    return bool(_DECIMAL_COMMA.fullmatch(text))


def different(column: Iterable[str | None]) -> tuple[str, ...]:
    """Return the different texts, in the order of their numbers where all are numbers.

    Examples:
        >>> different(["10", "9", None, "10"]), different(["10", "9", "many"])
        (('9', '10'), ('10', '9', 'many'))
    """
    found = sorted({text for text in column if text is not None})
    values = {text: value for text in found if (value := number_of(text)) is not None}
    return tuple(sorted(found, key=values.__getitem__) if len(values) == len(found) else found)


def as_list(names: Iterable[str]) -> str:
    """Write names as an override takes a list of them.

    Examples:
        >>> as_list(["age", "sex at birth"])
        "[age, 'sex at birth']"
    """
    return f"[{', '.join(map(_quoted, names))}]"


def _quoted(name: str) -> str:
    """Return a name as a list of an override takes it, whose grammar has a use for some signs and words."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.lower() not in WORDS
    return name if plain else "'{}'".format(name.replace("'", r"\'"))
