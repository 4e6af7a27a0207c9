"""``export``: a run's network as one file of another format."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from cnnlab.cli.arguments import Arguments
from cnnlab.errors import UserError

FORMATS = ("h5", "onnx", "safetensors")
USAGE = f"export RUN --to {'|'.join(FORMATS)} [FILE]"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read what was typed, and say where the file goes.

    Raises:
        UserError: for a flag or format that there is not, or a file of another name.

    Examples:
        >>> arguments = parse(["outputs/run", "--to", "onnx"])
        >>> arguments.to, arguments.file.as_posix()
        ('onnx', 'outputs/run/network.onnx')
    """
    parser = Arguments("export", USAGE)
    parser.add_argument("run", type=Path)
    parser.add_argument("--to", choices=FORMATS)
    parser.add_argument("file", type=Path, nargs="?")
    arguments = parser.parse_intermixed_args(list(words))
    file: Path | None = arguments.file
    if arguments.to is None and file is not None and file.suffix[1:] in FORMATS:
        arguments.to = file.suffix[1:]
    if arguments.to is None:
        raise UserError(f"export: the format is missing; say {USAGE}.")
    if file is None:
        arguments.file = arguments.run / f"network.{arguments.to}"
    elif file.suffix[1:] != arguments.to:
        raise UserError(f"export --to {arguments.to} {file}: its name must end in .{arguments.to}.")
    return arguments


def main(words: Sequence[str]) -> int:
    """Write the file and say what it takes and gives.

    Raises:
        UserError: if this is no run folder, or the file cannot be written.
    """
    arguments = parse(words)

    from rich.filesize import decimal

    from cnnlab.export import hdf5, onnx, safetensors

    write = {"h5": hdf5.write, "onnx": onnx.write, "safetensors": safetensors.write}[arguments.to]
    try:
        write(arguments.run, arguments.file)
    except OSError as error:
        raise UserError(f"{arguments.file}: cannot be written ({error.strerror or error}).") from error
    print(f"{arguments.file}: {decimal(arguments.file.stat().st_size)}")
    return 0
