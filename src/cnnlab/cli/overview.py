"""What ``data show`` prints and draws of a data set."""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from torch import Tensor

from cnnlab.data.datamodule import DataModule
from cnnlab.data.overview import PARTS, Moments, Overview, TextNumbers, example_rows, overview
from cnnlab.data.samples import Batch
from cnnlab.data.spec import DataSpec
from cnnlab.data.splits import Indices
from cnnlab.data.stored import StoredDataModule
from cnnlab.data.text import IMDB, Texts
from cnnlab.errors import UserError, visible
from cnnlab.figures.images import image_grid
from cnnlab.figures.style import save
from cnnlab.figures.tables import column_histograms

NAMES = {"train": "train", "val": "validation", "test": "test"}
CLASSES_BY_LINE = 25  # more classes than these are summed up
COLUMNS_BY_LINE = 16
COLOURS = ("red", "green", "blue")
SHOWN_IMAGES, SHOWN_PAIRS = 64, 16
WHOLE_ROWS = range(4, 11)  # images of a class that fill a row of their own
SHOWN_TEXTS = 2
LINES_OF_A_TEXT = 4
WIDTH = 96


def show(data: DataModule, picture: Path, console: Console) -> None:
    """Print what a data set holds, and write a picture of samples.

    Args:
        data: prepared and set up.
        picture: where the picture goes; none is made of texts.
        console: where the tables are printed.

    Raises:
        UserError: if the picture cannot be written there.
    """
    found, spec = overview(data), data.spec
    shape = " x ".join(map(str, spec.input_shape))
    target = "the clean image as its target" if spec.target == "image" else f"{spec.outputs:,} {spec.target}"
    print(f"{spec.name}: {spec.kind} {shape}, {target}")
    console.print(_parts_table(data, found), highlight=False, markup=False)
    if spec.kind == "tabular":
        console.print(_columns_table(data, found), highlight=False, markup=False)
    for line in _remarks(data, found):
        print(visible(line))
    samples = data.samples(data.splits.train.stored)
    if isinstance(data, IMDB) and isinstance(samples, Texts):
        _print_texts(data, samples)
    else:
        try:
            print(f"picture: {save(_picture(data), picture)}")
        except OSError as error:
            raise UserError(f"{picture}: the picture cannot be written there ({error.strerror}).") from error


def stored_in(data: DataModule) -> str:
    """Where the prepared samples lie, and how large the file is."""
    if not isinstance(data, StoredDataModule):
        return "store: none; the table is made anew in each run"
    return f"store: {data.store_path}, {decimal(data.store_path.stat().st_size)}"


def _table(*headings: str) -> Table:
    table = Table(*headings)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _parts_table(data: DataModule, found: Overview) -> Table:
    """A column for each part: samples, classes, and means of images or of texts."""
    table = _table("", *NAMES.values())
    parts = [found.parts[name] for name in PARTS]
    table.add_row("samples", *(f"{part.samples:,}" for part in parts))
    _add_classes(table, data.spec.class_names, [part.classes for part in parts if part.classes is not None])
    if data.spec.kind == "image":
        _add_channels(table, [part.inputs for part in parts if part.inputs is not None])
    _add_texts(table, data.spec, [part.texts for part in parts if part.texts is not None])
    return table


def _add_classes(table: Table, names: Sequence[str], parts: Sequence[Indices]) -> None:
    if len(names) <= CLASSES_BY_LINE:
        for number, name in enumerate(names):
            table.add_row(name, *(f"{counts[number]:,}" for counts in parts))
    else:
        for title, choose in (("smallest class", np.argmin), ("largest class", np.argmax)):
            chosen = [(counts, int(choose(counts))) for counts in parts]
            table.add_row(title, *(f"{names[number]} {counts[number]:,}" for counts, number in chosen))


def _add_channels(table: Table, parts: Sequence[Moments]) -> None:
    channels = len(parts[0].mean)
    for number in range(channels):
        colour = f" of {COLOURS[number]}" if channels == len(COLOURS) else ""
        table.add_row(f"mean{colour} (0 to 255)", *(f"{one.mean[number]:.2f}" for one in parts))
        table.add_row(f"spread{colour} (0 to 255)", *(f"{one.spread[number]:.2f}" for one in parts))


def _add_texts(table: Table, spec: DataSpec, parts: Sequence[TextNumbers]) -> None:
    if not parts:
        return
    lengths = [one.lengths for one in parts]
    table.add_row("words of a text: mean", *(f"{one.mean[0]:.1f}" for one in lengths))
    table.add_row("spread", *(f"{one.spread[0]:.1f}" for one in lengths))
    table.add_row("shortest", *(f"{one.smallest[0]:,.0f}" for one in lengths))
    table.add_row("longest", *(f"{one.largest[0]:,.0f}" for one in lengths))
    if spec.kind == "tokens":
        cut = (f"{one.cut / one.texts:.1%}" for one in parts)
        table.add_row(f"longer than data.length={spec.input_shape[0]}", *cut)
    table.add_row("unknown words", *(f"{one.unknown / max(one.words, 1):.2%}" for one in parts))
    table.add_row("empty texts", *(f"{one.empty:,}" for one in parts))


def _columns_table(data: DataModule, found: Overview) -> Table:
    """A row for each feature, and for each value to predict, of the training samples."""
    table = _table("column, of train", "mean", "spread", "smallest", "largest", "missing")
    part = found.parts["train"]
    for names, columns in ((data.spec.feature_names, part.inputs), (_value_names(data), part.values)):
        if columns is None:
            continue
        for number, name in enumerate(names[:COLUMNS_BY_LINE]):
            numbers = (columns.mean, columns.spread, columns.smallest, columns.largest)
            missing = f"{columns.missing[number]:,}" if columns.missing[number] else ""
            table.add_row(name, *(f"{one[number]:.4g}" for one in numbers), missing)
        if len(names) > COLUMNS_BY_LINE:
            table.add_row(f"and {len(names) - COLUMNS_BY_LINE:,} more")
    return table


def _value_names(data: DataModule) -> tuple[str, ...]:
    number = data.spec.outputs
    return ("target",) if number == 1 else tuple(f"target {one}" for one in range(1, number + 1))


def _remarks(data: DataModule, found: Overview) -> Iterable[str]:
    """Equal samples, what is left out, and where the samples lie."""
    equal = [f"{number:,} repeated in {NAMES[part]}" for part, number in found.repeated.items() if number]
    for (one, other), number in found.shared.items():
        if number:
            equal.append(f"{number:,} of {NAMES[one]} also in {NAMES[other]}")
    yield f"equal samples: {', '.join(equal) or 'none'}"
    leaks = found.shared["train", "test"] + found.shared["val", "test"]
    if isinstance(data, IMDB) and leaks and data.folds is None:
        yield f"data.drop_leaks=true leaves out the {leaks:,} of train and validation that are also in test"
    if found.left_out:
        left = ", ".join(f"{number:,} of the stored {part}" for part, number in found.left_out.items())
        yield f"left out: {left}"
    if isinstance(data, StoredDataModule):
        for what, numbers in data.opened.counted.items():
            yield f"{what}: {', '.join(f'{number:,} in {part}' for part, number in numbers.items())}"
    if data.skipped:
        yield f"skipped files: {len(data.skipped):,}, the first of them {data.skipped[0]}"
    yield stored_in(data)
    yield f"fingerprint: {data.fingerprint()}"


def _print_texts(data: IMDB, samples: Texts) -> None:
    for row in example_rows(data, SHOWN_TEXTS):
        start, stop = samples.texts.offsets[row : row + 2].tolist()
        words = " ".join(data.spelled(samples.texts.ids[start:stop].tolist()))
        name = data.spec.class_names[int(samples.targets[row])]
        lines = textwrap.wrap(
            visible(f"{name}: {words}"), WIDTH, max_lines=LINES_OF_A_TEXT, placeholder=" ..."
        )
        print("\n".join(lines))


def _picture(data: DataModule) -> Figure:
    """Samples of each class, noisy images beside their targets, or the columns of a table."""
    spec = data.spec
    if spec.kind != "image":
        return _columns(data)
    if spec.target == "image":
        inputs, targets = _taken(data, data.splits.train.rows[:SHOWN_PAIRS])
        pairs = torch.stack([inputs, targets], 1).flatten(0, 1)
        return image_grid(_channels_last(pairs), ["input", "target"] * len(inputs))
    images, labels = _taken(data, example_rows(data, SHOWN_IMAGES))
    each = SHOWN_IMAGES // len(spec.class_names)
    titles = [spec.class_names[label] for label in labels.tolist()]
    return image_grid(_channels_last(images), titles, columns=each if each in WHOLE_ROWS else 8)


def _columns(data: DataModule) -> Figure:
    inputs, targets = _taken(data, data.splits.train.rows)
    table, names = inputs.numpy(), data.spec.feature_names
    if data.spec.target == "values":
        table, names = np.hstack([targets.numpy(), table]), (*_value_names(data), *names)
    return column_histograms(table, names, title=f"{data.spec.name}, {len(table):,} training samples")


def _taken(data: DataModule, rows: Indices) -> Batch:
    return data.samples(data.splits.train.stored).batch(torch.from_numpy(rows), torch.Generator())


def _channels_last(images: Tensor) -> NDArray[np.uint8]:
    taken: NDArray[np.uint8] = images.permute(0, 2, 3, 1).numpy()
    return taken
