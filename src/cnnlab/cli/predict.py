"""``predict``: what a trained network says of pictures, texts or rows of tables."""

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnlab.cli.arguments import Arguments
from cnnlab.errors import UserError, visible

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from cnnlab.export.predictor import Predictor

USAGE = "predict RUN|EXPORT FILE|FOLDER ... [--text TEXT] [--top N] [--json|--csv] [--folder FOLDER]"
TYPED = "--text"
SOME_REFUSED, ALL_REFUSED = 1, 2


class Answer(NamedTuple):
    """What the network says of one sample.

    Args:
        file: the sample's.
        line: where its row begins, in a table.
        outputs: probabilities ``(classes,)``, values ``(outputs,)``, or an image.
    """

    file: str
    line: int | None
    outputs: "NDArray[np.float32]"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read what was typed.

    Raises:
        UserError: for a flag that there is not, or nothing to predict from.
    """
    parser = Arguments("predict", USAGE)
    parser.add_argument("network", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument(TYPED, action="append", default=[])
    parser.add_argument("--top", type=int, default=3)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true")
    shown.add_argument("--csv", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("predictions"))
    arguments = parser.parse_intermixed_args(list(words))
    if not arguments.files and not arguments.text:
        raise UserError(f"predict: there is no file to predict from; say {USAGE}.")
    if arguments.top < 1:
        raise UserError(f"predict --top {arguments.top}: at least 1.")
    return arguments


def main(words: Sequence[str]) -> int:
    """Predict from each file; one that cannot be taken is named, and the others go on.

    Args:
        words: a run folder or exported file, then files and folders.

    Returns:
        0; 1 if some files were refused, 2 if all were.

    Raises:
        UserError: if the network cannot be loaded.
    """
    arguments = parse(words)

    from cnnlab.export.loading import load

    predictor = load(arguments.network)
    refused: list[str] = []
    answers = _answers(predictor, arguments, refused)
    if predictor.spec.target == "image":
        found = _keep_images(predictor, answers, arguments)
    else:
        found = _show(predictor, answers, arguments)
    if refused and not found:
        return ALL_REFUSED
    return SOME_REFUSED if refused else 0


def _answers(predictor: "Predictor", arguments: argparse.Namespace, refused: list[str]) -> Iterator[Answer]:
    """Predict file by file; what is refused is said and noted."""
    from cnnlab.data.raw_inputs import batch_of, without_words

    def doubt(place: str, inputs: "Tensor") -> None:
        if without_words(predictor.form, inputs).any():
            said = "no word of it is known to the network, so the answer says nothing of it"
            print(f"cnnlab: {place}: {said}.", file=sys.stderr)

    for number, text in enumerate(arguments.text, 1):
        inputs = batch_of(predictor.form, [text])
        doubt(f"{TYPED} {number}", inputs)
        yield Answer(f"{TYPED} {number}", None, predictor.predict(inputs)[0])
    for path in _files(predictor, arguments.files, refused):
        try:
            inputs, lines = predictor.read(path)
        except UserError as error:
            _refuse(str(error), refused)
            continue
        doubt(str(path), inputs)
        outputs = predictor.predict(inputs)
        for line, one in zip(lines or [None], outputs, strict=True):
            yield Answer(str(path), line, one)


def _files(predictor: "Predictor", paths: Sequence[Path], refused: list[str]) -> Iterator[Path]:
    """The files that were named, and those of the network's kind in the folders that were."""
    from cnnlab.data.raw_inputs import files_in

    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found, others = files_in(predictor.form, path)
        if not found:
            _refuse(f"{path}: the folder holds no file that the network takes.", refused)
        elif others:
            files = "file is" if others == 1 else "files are"
            print(f"cnnlab: {path}: {others:,} other {files} passed over.", file=sys.stderr)
        yield from found


def _refuse(sentence: str, refused: list[str]) -> None:
    refused.append(sentence)
    print(f"cnnlab: {sentence}", file=sys.stderr)


def _named(predictor: "Predictor", outputs: "NDArray[np.float32]", top: int) -> list[tuple[str, float]]:
    """Names and numbers to show: the likeliest classes, or all values."""
    if predictor.spec.target == "values":
        return list(zip(predictor.value_names, outputs.tolist(), strict=True))
    names = predictor.class_names or tuple(map(str, range(len(outputs))))
    order = sorted(range(len(outputs)), key=lambda number: -float(outputs[number]))
    return [(names[number], float(outputs[number])) for number in order[:top]]


def _show(predictor: "Predictor", answers: Iterator[Answer], arguments: argparse.Namespace) -> int:
    """Print each answer as a line, a row of CSV, or an entry of a JSON list; return how many there are."""
    classes, count = predictor.spec.target == "classes", 0
    shown: list[dict[str, Any]] = []
    columns: list[str] = []
    for answer in answers:
        found = _named(predictor, answer.outputs, arguments.top)
        count += 1
        if arguments.json:
            shown.append(_plain(answer, found, classes=classes))
        elif arguments.csv:
            if not columns:
                columns = _columns(found, classes=classes)
                print(_row(columns))
            cells = [cell for pair in found for cell in (pair if classes else pair[1:])]
            print(_row([answer.file, answer.line, *cells]))
        else:
            said = ", ".join(
                f"{name} {number:.4f}" if classes else f"{name} {number:.6g}" for name, number in found
            )
            place = answer.file if answer.line is None else f"{answer.file}, line {answer.line}"
            print(visible(f"{place}: {said}"))
    if arguments.json:
        print(json.dumps(shown, indent=1, ensure_ascii=False))
    return count


def _plain(answer: Answer, found: list[tuple[str, float]], *, classes: bool) -> dict[str, Any]:
    place: dict[str, Any] = {"file": answer.file}
    if answer.line is not None:
        place["line"] = answer.line
    if classes:
        return place | {"classes": [{"class": name, "probability": number} for name, number in found]}
    return place | {"values": dict(found)}


def _columns(found: list[tuple[str, float]], *, classes: bool) -> list[str]:
    if not classes:
        return ["file", "line", *(name for name, _ in found)]
    pairs = ((f"class_{rank}", f"probability_{rank}") for rank in range(1, len(found) + 1))
    return ["file", "line", *(name for pair in pairs for name in pair)]


def _row(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue()


def _keep_images(predictor: "Predictor", answers: Iterator[Answer], arguments: argparse.Namespace) -> int:
    """Write each image that the network gives, and print where; return how many there are."""
    from PIL import Image

    from cnnlab.files import replacing, unused

    written: dict[Path, str] = {}
    for answer in answers:
        path = unused(arguments.folder / f"{Path(answer.file).stem}.png", written)
        if path.exists() and path.samefile(answer.file):
            raise UserError(f"{path}: it is the picture itself; --folder FOLDER chooses where the others go.")
        pixels = (answer.outputs * 255).round().astype("uint8").transpose(1, 2, 0)
        try:
            with replacing(path) as temporary:
                Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(temporary)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror or error}).") from error
        written[path] = answer.file
        if not arguments.json and not arguments.csv:
            print(f"{answer.file}: {path}")
    if arguments.json:
        print(json.dumps([{"file": file, "image": str(path)} for path, file in written.items()], indent=1))
    elif arguments.csv:
        for cells in (("file", "image"), *((file, str(path)) for path, file in written.items())):
            print(_row(cells))
    return len(written)
