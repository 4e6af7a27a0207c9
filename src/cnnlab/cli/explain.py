"""``explain``: which parts of an image speak for what a network says of it."""

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cnnlab.cli.arguments import Arguments
from cnnlab.cli.figures import with_picture_flags, write
from cnnlab.errors import UserError
from cnnlab.extras import extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from cnnlab.data.datamodule import DataModule
    from cnnlab.data.input_format import InputFormat
    from cnnlab.models.module import NetworkModule

USAGE = "explain RUN FILE|FOLDER ... or explain RUN --test N ..., with [--to FOLDER] [--dark]"
MISTAKE = 2
CLASSES = 2  # the one that is said, and the next


class Asked(NamedTuple):
    """An image to explain.

    Args:
        name: of it, for its picture.
        raw: uint8 ``(channels, height, width)``.
        true: its class; empty where it is not known.
    """

    name: str
    raw: "Tensor"
    true: str = ""


def main(words: Sequence[str]) -> int:
    """Draw Grad-CAM and integrated gradients for some images, and say where the pictures lie.

    Returns:
        0, or 2 if a file is no picture; the others are explained.

    Raises:
        UserError: for a run that is not of classes on images, or a test image that is not there.
    """
    arguments = parse(words)
    run, *files = map(Path, arguments.words)
    extra("captum.attr", "explain")

    from cnnlab.files import unused
    from cnnlab.training.folder import RunFolder, file_name, folder_of_figures
    from cnnlab.training.restored import restore

    folder = folder_of_figures(run, arguments.to)
    data, model = restore(run)
    if data.spec.kind != "image" or data.spec.target != "classes":
        raise UserError(f"explain {run}: only a network that tells classes of images can be explained.")
    of_the_test = list(_of_the_test(data, arguments.test))
    readable: list[Asked] = []
    if files:  # a test image needs no data.json
        form = RunFolder(run).input_format()
        files = [file for path in files for file in _pictures_in(form, path)]
        readable = list(_of_files(form, files))
    written: set[Path] = set()
    for asked in [*of_the_test, *readable]:
        path = unused(folder / file_name(f"explained {asked.name}"), written)
        write(_figure(model, asked), path, dark=arguments.dark)
        written.add(path)
    return MISTAKE if len(readable) < len(files) else 0


def parse(words: Sequence[str]) -> Namespace:
    """Part the run and the files, which are ``words``, from flags.

    Raises:
        UserError: for a flag that there is not, or where a run or an image is missing.
    """
    parser = with_picture_flags(Arguments("explain", USAGE))
    arguments = parser.parse_intermixed_args(list(words))
    if not arguments.words or (len(arguments.words) == 1 and not arguments.test):
        parser.error("a run and an image are needed")
    return arguments


def _of_the_test(data: "DataModule", positions: Sequence[int]) -> Iterator[Asked]:
    """Images of the test set, by their places in it."""
    if not positions:
        return
    import torch

    data.prepare_data()
    data.setup()
    part = data.splits.test
    samples = data.samples(part.stored)
    for position in positions:
        if not 0 <= position < len(part.rows):
            raise UserError(
                f"explain --test {position}: the test set has the images 0 to {len(part.rows) - 1}."
            )
        row = torch.from_numpy(part.rows[position : position + 1])
        (raw,), (label,) = samples.batch(row, torch.Generator())
        yield Asked(f"test {position}", raw, data.spec.class_names[int(label)])


def _pictures_in(form: "InputFormat", path: Path) -> Sequence[Path]:
    """The pictures of a folder, or the file itself.

    Raises:
        UserError: for a folder without any.
    """
    if not path.is_dir():
        return [path]

    from cnnlab.data.raw_inputs import files_in

    found, _ = files_in(form, path)
    if not found:
        raise UserError(f"{path}: the folder holds no picture.")
    return found


def _of_files(form: "InputFormat", paths: Sequence[Path]) -> Iterator[Asked]:
    """Pictures in files, as ``predict`` gives them to the network; one that it refuses is named."""
    import torch

    from cnnlab.data.raw_inputs import read_file
    from cnnlab.export.predictor import reordered

    for path in paths:
        try:
            raw = read_file(form, path).inputs
        except UserError as error:
            print(f"cnnlab: {error}", file=sys.stderr)
            continue
        if form.permutation:
            raw = reordered(raw, torch.tensor(form.permutation))
        yield Asked(path.stem, raw[0])


def _figure(model: "NetworkModule", asked: Asked) -> "Figure":
    import torch

    from cnnlab.figures.explanations import explanation
    from cnnlab.training.attribution import attributions
    from cnnlab.training.pictures import are_probabilities

    with torch.inference_mode():
        shares = model.objective.outputs_for_users(model(asked.raw[None].to(model.device)))[0].cpu()
    names = model.spec.class_names
    as_text = "{:.1%}".format if are_probabilities(shares[None]) else "{:.2f}".format
    explained = {
        f"{names[label]}, {as_text(float(shares[label]))}": attributions(model, asked.raw, int(label))
        for label in shares.topk(min(CLASSES, len(names))).indices
    }
    title = f"{asked.name}, truly {asked.true}" if asked.true else asked.name
    return explanation(asked.raw.permute(1, 2, 0).numpy(), explained, title=title)
