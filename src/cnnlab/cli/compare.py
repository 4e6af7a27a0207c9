"""``compare``: any runs and studies side by side, with the answer in words."""

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cnnlab.cli.arguments import Arguments
from cnnlab.errors import UserError


def main(words: Sequence[str]) -> int:
    """Print the table of the runs in some folders, and the answer in one sentence.

    With ``--open`` a page with table and figures is kept in a folder of its own below ``outputs``, and shown.

    Args:
        words: folders of runs or studies, and flags.

    Raises:
        UserError: for a folder without runs, a setting that no run has, or an unknown flag.
    """
    arguments = parse(words)

    from cnnlab.cli.study import published
    from cnnlab.report.comparison import screen
    from cnnlab.report.settings import typed
    from cnnlab.study.comparison import compare
    from cnnlab.study.runs import StudyRun, distinct, find_runs
    from cnnlab.training.folder import REPORT

    found: dict[Path, StudyRun] = {}
    for folder in arguments.folders:
        runs = find_runs(folder)
        if not runs:
            what = "there is no run in it" if folder.is_dir() else "there is no such folder"
            raise UserError(f"{folder}: {what}; compare takes folders of runs and of studies.")
        found |= {run.folder.resolve(): run for run in runs}
    every = distinct(list(found.values()))
    if copies := len(found) - len(every):
        what = "run is the copy of another and is" if copies == 1 else "runs are copies of others and are"
        print(f"cnnlab: {copies} {what} left out.", file=sys.stderr)
    if not arguments.open:
        print(screen(compare(every, arguments.by)))
        return 0
    folder = Path("outputs") / f"{datetime.now():%Y-%m-%d/%H-%M-%S-%f}_compare"
    print(screen(published(every, folder, arguments.by, typed("compare", *words))))
    print(f"folder: {folder}")
    webbrowser.open((folder / REPORT).absolute().as_uri())
    return 0


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Part folders from flags.

    Raises:
        UserError: for a flag that there is not, or without any folder.
    """
    parser = Arguments("compare", "compare RUN_OR_STUDY ... --by KEY,KEY --open")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--by", default="")
    parser.add_argument("--open", action="store_true")
    arguments = parser.parse_intermixed_args(list(words))
    arguments.by = [key for key in arguments.by.split(",") if key]
    if not arguments.folders:
        raise UserError("compare: which? Say compare RUN_A RUN_B ..., with folders of runs or studies.")
    return arguments
