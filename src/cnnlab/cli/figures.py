"""``figures``: a run's figures, drawn once more from its folder."""

from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.cli.arguments import Arguments
from cnnlab.errors import UserError, did_you_mean, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

USAGE = "figures RUN [NAME ...] [--to FOLDER] [--test N ...] [--dark]"


def main(words: Sequence[str]) -> int:
    """Draw the figures that are asked for, or all, and say where they lie.

    Raises:
        UserError: for a folder that is no run, or a figure that it does not have.
    """
    arguments = parse(words)
    run, typed = Path(arguments.words[0]), arguments.words[1:]

    from cnnlab.training.folder import file_name, folder_of_figures
    from cnnlab.training.redrawn import outcome_of

    folder = folder_of_figures(run, arguments.to)
    outcome = outcome_of(run, arguments.test)
    drawings = outcome.drawings()
    if any(word.removesuffix(".png") == "network" for word in typed):
        drawings.setdefault("network", outcome.network)  # which says what is missing
    names = [_name(word, drawings) for word in typed] or list(drawings)
    for name in names:
        write(drawings[name](), folder / file_name(name), dark=arguments.dark)
    if any("confus" in name for name in names):
        print("\n".join(["most confused:", *(f"  {visible(words)}" for words in outcome.confusions())]))
    return 0


def parse(words: Sequence[str]) -> Namespace:
    """Part the run and the names of its figures, which are ``words``, from flags.

    Raises:
        UserError: for a flag that there is not, or where no run is named.
    """
    parser = with_picture_flags(Arguments("figures", USAGE))
    arguments = parser.parse_intermixed_args(list(words))
    if not arguments.words:
        parser.error("a run folder is needed")
    return arguments


def with_picture_flags(parser: Arguments) -> Arguments:
    """Add what all verbs that draw of a run can be told."""
    parser.add_argument("words", nargs="*")
    parser.add_argument("--to", type=Path)
    parser.add_argument("--test", type=int, nargs="+", default=[])
    parser.add_argument("--dark", action="store_true")
    return parser


def write(figure: "Figure", path: Path, *, dark: bool) -> None:
    """Write a figure, for a light or a dark page, and say where it lies.

    Raises:
        UserError: if it cannot be written there.
    """
    from cnnlab.figures.dark import dark_twin, darken
    from cnnlab.figures.style import save

    if dark:
        path = dark_twin(path)
        darken(figure)
    try:
        print(save(figure, path), flush=True)
    except OSError as error:
        raise UserError(f"{path}: the figure cannot be written there ({error.strerror}).") from error


def _name(typed: str, known: Iterable[str]) -> str:
    """Find a figure by its name or its file's."""
    name = typed.removesuffix(".png").replace("_", " ")
    if name not in known:
        files = [one.replace(" ", "_") for one in known]
        raise UserError(
            f"figures {typed}: this run has no such figure{did_you_mean(typed, files) or '.'} "
            f"There are {', '.join(files)}."
        )
    return name
