"""Batches made of raw arrays, texts and files, as the format kept with a network says."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.data.csvfile import one_hot
from cnnlab.data.decoding import decode
from cnnlab.data.folder import IMAGE_SUFFIXES
from cnnlab.data.input_format import Column, InputFormat
from cnnlab.data.ragged import Ragged
from cnnlab.data.reviews import tokenize
from cnnlab.data.sheet import Sheet, as_list, number_of, read_sheet
from cnnlab.data.text import Texts
from cnnlab.data.vocabulary import FIRST_WORD, encoder
from cnnlab.errors import UserError, did_you_mean, reason

SUFFIXES = {"image": IMAGE_SUFFIXES, "tabular": (".csv",), "tokens": (".txt",), "counts": (".txt",)}
KINDS = {"image": "pictures", "tabular": "tables", "tokens": "texts", "counts": "texts"}
LARGEST_TEXT = 1 << 24  # bytes

Raw = NDArray[Any] | Tensor | Sequence[str]


class FileInputs(NamedTuple):
    """What a file holds for a network.

    Args:
        inputs: a batch, of one sample but for tables.
        lines: where each row of a table begins; None elsewhere.
    """

    inputs: Tensor
    lines: tuple[int, ...] | None = None


def batch_of(form: InputFormat, raw: Raw) -> Tensor:
    """Make a batch of raw samples.

    Args:
        form: what the network takes.
        raw: images uint8, ``(n, height, width, channels)`` or ``(n, channels, height, width)``, grey ones
            also ``(n, height, width)``; texts as a sequence of str, or their ids or counts ``(n, length)``;
            tables float ``(n, features)``, NaN where a value is missing.

    Returns:
        uint8 ``(n, channels, height, width)``, int64 ids ``(n, length)``, or float32 ``(n, features)``.

    Raises:
        UserError: for samples of another shape or type.

    Examples:
        >>> from cnnlab.data.spec import DataSpec
        >>> form = InputFormat(spec=DataSpec("two", "image", (3, 8, 8), "classes", 2))
        >>> batch_of(form, np.zeros((5, 8, 8, 3), np.uint8)).shape
        torch.Size([5, 3, 8, 8])
    """
    spec = form.spec
    if isinstance(raw, np.ndarray) and raw.dtype.kind in "UO":
        raw = [str(text) for text in raw]
    if isinstance(raw, str) or (isinstance(raw, Sequence) and all(isinstance(text, str) for text in raw)):
        if spec.kind not in ("tokens", "counts"):
            raise UserError(f"the network takes {KINDS[spec.kind]}, not texts.")
        return _texts(form, [raw] if isinstance(raw, str) else list(raw))
    samples = raw if isinstance(raw, Tensor) else torch.from_numpy(np.ascontiguousarray(raw))
    if spec.kind == "image":
        return _images(samples, spec.input_shape)
    if tuple(samples.shape[1:]) != spec.input_shape or samples.is_complex() or samples.dtype == torch.bool:
        wanted = "integers" if spec.kind == "tokens" else "numbers"
        raise UserError(
            f"the samples are {_said(samples)}; the network takes {wanted} {_shape(*spec.input_shape)}."
        )
    if spec.kind != "tokens":
        return samples.float()
    if samples.is_floating_point():
        raise UserError(f"the samples are {_said(samples)}; the network takes token ids, which are integers.")
    if len(samples) and not 0 <= int(samples.min()) <= int(samples.max()) < spec.vocabulary_size:
        raise UserError(f"the samples hold ids beyond those of the network, 0 to {spec.vocabulary_size - 1}.")
    return samples.long()


def _images(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    channels, height, width = shape
    if images.dtype == torch.uint8:
        if tuple(images.shape[1:]) == (height, width, channels):
            return images.permute(0, 3, 1, 2)
        if tuple(images.shape[1:]) == shape:
            return images
        if channels == 1 and tuple(images.shape[1:]) == (height, width):
            return images.unsqueeze(1)
    raise UserError(
        f"the samples are {_said(images)}; the network takes uint8 images {_shape(height, width, channels)} "
        f"or {_shape(*shape)}, of 0 to 255."
    )


def _shape(*sizes: int) -> str:
    return f"(n, {', '.join(map(str, sizes))})"


def _said(samples: Tensor) -> str:
    return f"{str(samples.dtype).removeprefix('torch.')} {tuple(samples.shape)}"


def _texts(form: InputFormat, texts: Sequence[str]) -> Tensor:
    encode = encoder(form.vocabulary)
    split = [encode(tokenize(text)) for text in texts]
    offsets = np.cumsum([0, *map(len, split)], dtype=np.int64)
    ragged = Ragged(
        torch.tensor([number for text in split for number in text], dtype=torch.int32),
        torch.from_numpy(offsets),
    )
    samples = Texts(
        ragged,
        torch.zeros(len(texts), dtype=torch.int64),
        view="sequences" if form.spec.kind == "tokens" else "counts",
        length=form.spec.input_shape[0],
        words=form.spec.vocabulary_size,
        padding=form.padding,
        cut=form.cut,
    )
    return samples.inputs(torch.arange(len(texts)), torch.Generator())


def without_words(form: InputFormat, inputs: Tensor) -> Tensor:
    """Find texts of which the network knows no word, empty ones among them.

    Args:
        form: what the network takes.
        inputs: a batch as :func:`batch_of` makes it.

    Returns:
        bool ``(n,)``; False for all that are no texts.

    Examples:
        >>> from cnnlab.data.spec import DataSpec
        >>> spec = DataSpec("reviews", "tokens", (3,), "classes", 2, vocabulary_size=4)
        >>> form = InputFormat(spec=spec, vocabulary=("good", "bad"))
        >>> without_words(form, batch_of(form, ["a bad film", "a film", ""])).tolist()
        [False, True, True]
    """
    if form.spec.kind == "tokens":
        return (inputs < FIRST_WORD).all(1)
    if form.spec.kind == "counts":
        return ~inputs[:, FIRST_WORD:].any(1)
    return torch.zeros(len(inputs), dtype=torch.bool)


def files_in(form: InputFormat, path: Path) -> tuple[list[Path], int]:
    """List the files of a folder that the network can take, in all folders below it too.

    Returns:
        The files in their order, and how many others there are.
    """
    found = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    taken = [file for file in found if file.suffix.lower() in SUFFIXES[form.spec.kind]]
    return taken, len(found) - len(taken)


def read_file(form: InputFormat, path: Path) -> FileInputs:
    """Read a picture, a text or a table.

    Raises:
        UserError: in one sentence that names the file, if it is none, damaged, or of another kind.
    """
    kind, suffixes = form.spec.kind, SUFFIXES[form.spec.kind]
    if not path.is_file():
        beside = (other.name for other in path.parent.iterdir()) if path.parent.is_dir() else ()
        raise UserError(f"{path}: there is no such file{did_you_mean(path.name, beside) or '.'}")
    if path.suffix.lower() not in suffixes:
        raise UserError(f"{path}: the network takes {KINDS[kind]}, which are {', '.join(suffixes)}.")
    if kind == "image":
        return FileInputs(_picture(form, path))
    if kind == "tabular":
        return _rows(form, path)
    return FileInputs(_texts(form, [_text(path)]))


def _picture(form: InputFormat, path: Path) -> Tensor:
    channels, height, width = form.spec.input_shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's, of what it refuses at twice the size, and we at once
            image = decode(path, (height, width), channels)
    except Exception as error:  # PIL's decoders raise nearly anything for a damaged file
        raise UserError(f"{path}: cannot be read as a picture ({reason(error)}).") from error
    return torch.from_numpy(image.copy()).permute(2, 0, 1).unsqueeze(0)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_TEXT + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    if len(content) > LARGEST_TEXT or b"\0" in content:
        raise UserError(f"{path}: not a text of at most {LARGEST_TEXT >> 20} MB.")
    return content.decode("utf-8-sig", errors="replace")


def _rows(form: InputFormat, path: Path) -> FileInputs:
    try:
        first = [column[0] or "" for column in read_sheet(path, False, (), {}, least=1).columns.values()]
        has_header, names = _header(form, first)
        sheet = read_sheet(path, has_header, names, {}, least=1)
    except UserError as error:
        raise UserError(str(error).removeprefix("data.path=")) from error
    if not sheet.header:
        sheet = read_sheet(path, False, _names(form, sheet), {}, least=1)
    features: dict[str, NDArray[np.float32]] = {}
    for column in form.columns:
        if column.name not in sheet.columns:
            known = did_you_mean(column.name, sheet.columns) or f"; it has {as_list([*sheet.columns][:20])}."
            raise UserError(f"{path}: there is no column {column.name!r}{known}")
        sheet.mark(column.name, column.missing)
        features |= (
            _categories(sheet, column) if column.categories else {column.name: _numbers(sheet, column)}
        )
    return FileInputs(torch.from_numpy(np.stack(list(features.values()), 1)), tuple(sheet.lines))


def _header(form: InputFormat, first: Sequence[str]) -> tuple[bool | None, tuple[str, ...]]:
    """Say whether a file's first row names its columns, None if only a look can tell, and what it names."""
    known = dict(zip(form.header or (), form.file_columns, strict=False))
    names = tuple(known.get(field, field) or f"column{number}" for number, field in enumerate(first, 1))
    if {column.name for column in form.columns} <= set(names):
        return True, names
    # A row of texts alone may be one of categories, as the training file had it, without a header.
    only_texts = all(column.categories is not None for column in form.columns)
    return (False if form.header == () and only_texts else None), ()


def _names(form: InputFormat, sheet: Sheet) -> tuple[str, ...]:
    """Names of the columns of a file without a header: as in training, with or without the target."""
    width = len(sheet.columns)
    without = tuple(name for name in form.file_columns if name != form.target_name)
    used = tuple(column.name for column in form.columns)
    for names in (form.file_columns, without, used):
        if len(names) == width:
            return names
    raise UserError(f"{sheet.path}: it has {width} columns and no header; the network's are {as_list(used)}.")


def _numbers(sheet: Sheet, column: Column) -> NDArray[np.float32]:
    values = np.full(len(sheet.lines), np.nan, np.float32)
    for row, text in enumerate(sheet.columns[column.name]):
        if text is not None:
            value = number_of(text)
            if value is None:
                raise UserError(f"{sheet.place(row, column.name)}: {text!r} is not a number.")
            values[row] = value
    return values


def _categories(sheet: Sheet, column: Column) -> dict[str, NDArray[np.float32]]:
    known = column.categories or ()
    sheet.spell_as(column.name, known)
    for row, text in enumerate(sheet.columns[column.name]):
        if text is not None and text not in known:
            near = did_you_mean(text, known) or f"; those are {as_list(known[:20])}."
            raise UserError(
                f"{sheet.place(row, column.name)}: {text!r} is not among the categories of the training{near}"
            )
    return one_hot(sheet, column)
