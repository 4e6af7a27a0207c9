"""``describe``: a network's layers, shapes, parameters and FLOPs, without the data set's files."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.cli.arguments import Arguments
from cnnlab.config.compose import compose
from cnnlab.errors import UserError

if TYPE_CHECKING:
    from cnnlab.models.module import NetworkModule

WIDTH = 100
FORMATS = (".png", ".svg", ".pdf")


def main(words: Sequence[str]) -> int:
    """Print the table of the network that the overrides ask for, and draw it with ``--picture FILE``.

    Raises:
        UserError: if the config is wrong, or the network cannot take the data.
    """
    picture, overrides = parse(words)
    cfg = compose(overrides)

    import torch
    from rich.console import Console

    from cnnlab.config.check import check
    from cnnlab.models.describe import describe
    from cnnlab.training.build import build

    check(cfg)
    with torch.device("meta"):  # shapes take no memory
        data, model = build(cfg)
    spec = data.spec
    # Into a file or a pipe there is no width to keep to.
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    shape = " x ".join(map(str, spec.input_shape))
    console.print(f"{spec.name}: {spec.kind} {shape}, {spec.outputs} {spec.target}", highlight=False)
    console.print(describe(model.network, model.preprocess.output_shape, model.network_dtype).as_rich())
    if picture is not None:
        draw(model, picture)
    return 0


def parse(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Part the picture's place from the overrides.

    Raises:
        UserError: for a picture of another format.
    """
    parser = Arguments("describe", "describe GROUP=OPTION KEY=VALUE ... --picture FILE.png|svg|pdf")
    parser.add_argument("--picture", type=Path)
    arguments, overrides = parser.parse_known_args(list(words))
    picture: Path | None = arguments.picture
    if picture is not None and picture.suffix not in FORMATS:
        raise UserError(f"describe --picture {picture}: its name must end in {', '.join(FORMATS)}.")
    return picture, overrides


def draw(model: "NetworkModule", picture: Path) -> None:
    """Write a picture of a network, of the format that the name ends in.

    Raises:
        UserError: if something to draw with is missing, or the file cannot be written.
    """
    from cnnlab.files import replacing
    from cnnlab.models.graph import network_graph

    kind: Any = picture.suffix[1:]
    content = network_graph(model.network, model.preprocess.output_shape, model.network_dtype, kind)
    try:
        with replacing(picture) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise UserError(f"{picture}: the picture cannot be written there ({error.strerror}).") from error
    print(f"picture: {picture}")
