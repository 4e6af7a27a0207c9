"""``report``: a run's or a study's page, written anew."""

import webbrowser
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from cnnlab.cli.arguments import Arguments
from cnnlab.errors import UserError


def main(words: Sequence[str]) -> int:
    """Write the page of a run or a study into its folder, say where it lies, and with ``--open`` show it.

    Raises:
        UserError: for a folder that holds no run or cannot be written to, or an unknown flag.
    """
    arguments = parse(words)
    folder: Path = arguments.folder

    from cnnlab.report import run, study
    from cnnlab.study.comparison import compare
    from cnnlab.study.runs import find_runs
    from cnnlab.training.folder import CONFIG

    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; report takes the folder of a run or a study.")
    try:
        if (folder / CONFIG).is_file():
            path = run.write(folder)
        elif runs := find_runs(folder):
            path = study.write(compare(runs), folder)
        else:
            raise UserError(f"{folder}: there is no run in it; report takes the folder of a run or a study.")
    except OSError as error:
        taken = error.filename2 or folder
        raise UserError(f"{taken}: the page cannot be written there ({error.strerror}).") from error
    print(path)
    if arguments.open:
        webbrowser.open(path.absolute().as_uri())
    return 0


def parse(words: Sequence[str]) -> Namespace:
    """Part the folder from the flag.

    Raises:
        UserError: for a flag that there is not, or where not one folder is named.
    """
    parser = Arguments("report", "report RUN|STUDY [--open]")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--open", action="store_true")
    return parser.parse_intermixed_args(list(words))
