"""``reproduce``: the published results, run again and set beside ours."""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from cnnlab.cli.arguments import Arguments
from cnnlab.cli.isolation import quiet_lightning, said_into
from cnnlab.config.compose import groups
from cnnlab.config.conf import conf_dir
from cnnlab.errors import UserError
from cnnlab.files import require_folder, write_text
from cnnlab.study.record import Record
from cnnlab.study.rows import Row, choose_rows, read_rows
from cnnlab.training.interruptions import INTERRUPTED

if TYPE_CHECKING:
    from cnnlab.study.reproduce import Reproduction

RUNS = Path("outputs") / "reproduce"
USAGE = "reproduce ROW ... KEY=VALUE ... --seeds N --again --without-variants --runs FOLDER --results FOLDER"
DPI = 90  # of the rows' pictures, which are kept with the documentation


def main(words: Sequence[str]) -> int:
    """Run the rows that are asked for, skip what is recorded, and print the table.

    Args:
        words: names of rows, settings for all of them, and flags.

    Returns:
        0, or 1 if a training failed.

    Raises:
        UserError: for an unknown row or flag, a folder that cannot be made, or a setting that is not for all
            rows or wrong for one of them.
    """
    arguments = parse(words)
    names = [word for word in arguments.words if "=" not in word]
    rows = choose_rows(names)
    overrides = [word for word in arguments.words if "=" in word]

    from cnnlab.report.results import summary
    from cnnlab.study.reproduce import Reproduction
    from cnnlab.training.result import config_fingerprint

    folder = arguments.results or _default_results()
    reproduction = Reproduction(
        train=train,
        fingerprint=config_fingerprint,
        runs=arguments.runs,
        records=folder,
        overrides=overrides,
        repetitions=arguments.seeds,
        again=arguments.again,
        shortened_too=bool(names),
        variants=not arguments.without_variants,
        tell=lambda line: print(line, flush=True),
    )
    # What could not be had here may be there elsewhere: it is tried where it is asked for by its name.
    trained = [row for row in rows if not row.instead or (names and row.name in groups()["experiment"])]
    require_right(reproduction, trained)
    for row in trained:
        with going_on_later(arguments.again):
            record = reproduction.go(row)
        draw(row, record, folder)
        publish(folder)
    for row in rows:
        if names and row not in trained:
            print(f"{row.name}: {row.instead}.")
    print(summary(rows, read_records(folder)))
    print(f"records: {folder}")
    return int(reproduction.failed)


@contextmanager
def going_on_later(again: bool) -> Iterator[None]:
    """Say how to go on where a run is interrupted, whose own word about it is in its folder."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        command = f"the same command{', without --again,' * again} goes on where it stopped"
        print(f"cnnlab: interrupted; {command}.", file=sys.stderr)
        raise SystemExit(getattr(error, "code", INTERRUPTED)) from None


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Part rows and settings, which are ``words``, from flags.

    Raises:
        UserError: for a flag that there is not, or a folder that cannot be.
    """
    parser = Arguments("reproduce", USAGE)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--without-variants", action="store_true")
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--results", type=Path)

    arguments = parser.parse_intermixed_args(list(words))
    if arguments.seeds is not None and arguments.seeds < 1:
        raise UserError(f"--seeds={arguments.seeds}: at least 1.")
    for flag, folder in (("--runs", arguments.runs), ("--results", arguments.results)):
        if folder is not None:
            require_folder(flag, folder)
    return arguments


def require_right(reproduction: "Reproduction", rows: Sequence[Row]) -> None:
    """Refuse settings that one of the rows cannot have, before the first is trained.

    Raises:
        UserError: as for a training; it names the row.
    """
    from cnnlab.cli.rehearsal import rehearse
    from cnnlab.config.check import check

    if not reproduction.overrides:
        return
    for row in rows:
        cfg = reproduction.config(row.jobs(row.cases()[0], 0)[0])
        try:
            check(cfg)
            rehearse(cfg)
        except UserError as error:
            raise UserError(f"{error} (in the row {row.name})") from error


def _default_results() -> Path:
    """The records of the checkout, or a folder beside the runs."""
    docs = conf_dir().parent / "docs"
    return docs / "results" if docs.is_dir() else RUNS / "results"


def train(cfg: DictConfig, folder: Path, told: Sequence[str] = ()) -> None:
    """Train in a folder of its own, or go on there, with all that is printed in its ``screen.log``.

    Args:
        cfg: what to train.
        folder: where.
        told: the overrides that it was composed with.

    Raises:
        UserError: for data that is not there, say.
        TrainingError: if the training failed.
    """
    from cnnlab.training.folder import RunFolder
    from cnnlab.training.resuming import left_before
    from cnnlab.training.run import run

    _, start = left_before(cfg, RunFolder(folder))
    if start is None:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    quiet_lightning()
    with said_into(folder / "screen.log"):
        run(cfg, folder, told=told, start=start)


def read_records(folder: Path) -> dict[str, Record]:
    """All records of a folder by their rows; those of rows that there are not are passed over."""
    paths = {name: folder / f"{name}.json" for name in read_rows()}
    return {name: Record.read(path) for name, path in paths.items() if path.exists()}


def draw(row: Row, record: Record, folder: Path) -> None:
    """Draw what a row without a published figure is there for, beside its record."""
    from cnnlab.figures.style import save
    from cnnlab.report.pictures import row_figure

    figure = row_figure(row, record)
    if figure is not None:
        figure.set_dpi(DPI)
        save(figure, folder / f"{row.name}.png")


def publish(folder: Path) -> None:
    """Write the page of all records beside their folder, and each experiment's figures into its head."""
    from cnnlab.report.results import page, with_head

    records, rows = read_records(folder), read_rows()
    folder = folder.resolve()  # "." has no name
    write_text(folder.with_name(f"{folder.name}.md"), page(list(rows.values()), records, pictures=folder))
    if folder != (conf_dir().parent / "docs" / "results").resolve():
        return
    for name, record in records.items():
        path = conf_dir() / "experiment" / f"{name}.yaml"
        before = path.read_text(encoding="utf-8")
        after = with_head(before, rows[name], record)
        if after != before:
            write_text(path, after)
