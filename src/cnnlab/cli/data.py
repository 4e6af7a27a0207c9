"""``data``: which data sets there are, what one holds, and preparing it."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from omegaconf import OmegaConf

from cnnlab.cli.arguments import Arguments
from cnnlab.config.compose import compose
from cnnlab.config.conf import conf_dir, groups, meaning
from cnnlab.errors import UserError, did_you_mean
from cnnlab.files import require_folder
from cnnlab.training.interruptions import NAMES, Interruption

if TYPE_CHECKING:
    from rich.console import Console

    from cnnlab.data.datamodule import DataModule

ACTIONS = ("list", "show", "prepare")
FOLDERS = ("data.root=", "data.store=")
PICTURES = Path("outputs", "data")
WIDTH = 100


class Request(NamedTuple):
    """What was typed after ``data``.

    Args:
        action: ``list``, ``show`` or ``prepare``.
        overrides: as for a training, the data set among them.
        picture: where the picture of ``show`` goes; None where nothing was said.
    """

    action: str
    overrides: list[str]
    picture: Path | None


def main(words: Sequence[str]) -> int:
    """Do what was typed after ``data``.

    Raises:
        UserError: for a wrong action, name or setting, or files that are not right.
    """
    request = parse(words)
    if request.action == "list":
        _list(request.overrides)
        return 0
    data = _make(request.overrides)
    seconds = _prepare(data)
    if request.action == "show":
        from cnnlab.cli.overview import show

        show(data, request.picture or PICTURES / f"{data.spec.name}.png", console())
    else:
        _say_prepared(data, seconds)
    return 0


def parse(words: Sequence[str]) -> Request:
    """Read what was typed after ``data``.

    Raises:
        UserError: for an action or a data set that is not there, or a flag.

    Examples:
        >>> parse(["show", "cifar100", "data.classes=25"]).overrides
        ['data=cifar100', 'data.classes=25']
    """
    usage = "data list, data show NAME or data prepare NAME"
    if not words:
        raise UserError(f"data: what is to be done is missing; say {usage}.")
    action, *rest = words
    if action not in ACTIONS:
        raise UserError(
            f"data {action}: there is no such thing{did_you_mean(action, ACTIONS) or ';'} say {usage}."
        )
    if action == "list":
        for word in rest:
            if not word.startswith(FOLDERS):
                raise UserError(f"data list {word}: allowed are data.root=FOLDER and data.store=FOLDER.")
            key, _, folder = word.partition("=")
            require_folder(key, Path(folder).expanduser())
        return Request(action, rest, None)
    name, *rest = rest or [""]
    _check_name(action, name)
    picture = None
    if action == "show":
        picture, rest = _picture(rest)
    return Request(action, [f"data={name}", *rest], picture)


def _check_name(action: str, name: str) -> None:
    names = groups()["data"]
    if name in names:
        return
    there_are = f"There are {', '.join(names)}."
    plain = name.removeprefix("data=")
    if not name:
        raise UserError(f"data {action}: the name of a data set is missing. {there_are}")
    if plain in names:
        raise UserError(f"data {action} {name}: the name alone is enough: data {action} {plain}.")
    if "=" in name or name[0] == "-":
        raise UserError(f"data {action} {name}: the name of a data set comes first. {there_are}")
    raise UserError(
        f"data {action} {name}: there is no such data set{did_you_mean(name, names) or '.'} {there_are}"
    )


def _picture(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    parser = Arguments("data show", "data show NAME --picture FILE")
    parser.add_argument("--picture", type=Path)

    known, rest = parser.parse_known_args(list(words))
    if known.picture is not None and known.picture.suffix != ".png":
        raise UserError(f"data show --picture {known.picture}: its name must end in .png.")
    return known.picture, rest


def console() -> "Console":
    """A console as wide as the terminal; in a file or a pipe there is no width to keep to."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def _make(overrides: Sequence[str]) -> "DataModule":
    cfg = compose(overrides)

    from cnnlab.config.check import check
    from cnnlab.config.make import make

    check(cfg)
    data: DataModule = make("data", cfg.data)
    return data


def _prepare(data: "DataModule") -> float | None:
    """Prepare a data set; how many seconds it took, or None where nothing was to be done."""
    before = _written(data)
    started = time.monotonic()
    with Interruption(_say_ended).watched():  # what is half written goes
        data.prepare_data()
    seconds = time.monotonic() - started
    data.setup()
    return seconds if _written(data) != before else None


def _say_ended(code: int) -> None:
    print(f"cnnlab: {NAMES[code]}; nothing was prepared.", file=sys.stderr)


def _written(data: "DataModule") -> tuple[int, int] | None:
    """Which file the store is; another one once it is written anew."""
    from cnnlab.data.stored import StoredDataModule

    if not isinstance(data, StoredDataModule) or not data.store_path.exists():
        return None
    state = data.store_path.stat()
    return state.st_ino, state.st_mtime_ns


def _say_prepared(data: "DataModule", seconds: float | None) -> None:
    from cnnlab.cli.overview import stored_in

    counts = data.counts()
    print(f"{data.spec.name}: {', '.join(f'{number:,} {part}' for part, number in counts.items())}")
    if data.skipped:
        print(f"skipped: {len(data.skipped):,} files")
    print(f"{stored_in(data)}{'' if seconds is None else f', prepared in {seconds:.1f} s'}")


def _list(folders: Sequence[str]) -> None:
    """Print every data set with what is known of it before its files are read."""
    row = "{:<15}{:<9}{:<15}{:>7}  {}"
    print(row.format("data", "kind", "shape", "outputs", "files"))
    for name in groups()["data"]:
        print(row.format(name, *_known(name, folders)))
        print(f"  {meaning(conf_dir() / 'data' / f'{name}.yaml')}")


def _known(name: str, folders: Sequence[str]) -> tuple[str, str, str, str]:
    """Kind, shape, outputs and state of a data set, as far as they are known without its files."""
    cfg = compose([f"data={name}"]).data

    from cnnlab.config.make import make
    from cnnlab.config.targets import locate
    from cnnlab.data.stored import ImageDataModule

    needed = OmegaConf.missing_keys(cfg)
    if needed:
        kind = "image" if issubclass(locate("data", cfg._target_), ImageDataModule) else "tabular"  # type: ignore[arg-type]
        return kind, "", "", f"needs {min(needed)}"
    for folder in folders:
        key, _, value = folder.removeprefix("data.").partition("=")
        if key in cfg:
            cfg[key] = value
    data: DataModule = make("data", cfg)
    return data.spec.kind, " x ".join(map(str, data.spec.input_shape)), str(data.spec.outputs), _state(data)


def _state(data: "DataModule") -> str:
    from cnnlab.data.stored import StoredDataModule

    if not isinstance(data, StoredDataModule):
        return "built in"
    if data.store_path.exists():
        return "prepared"
    if data.raw_files is None:
        return "not prepared"
    if not data.raw_files:
        return "built in"
    found = all(any(data.raw_root.glob(pattern)) for pattern in data.raw_files)
    return "files found" if found else "needs files"
