"""``lr``: find a learning rate, by a range test on a fresh network."""

import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from cnnlab.cli.arguments import Arguments
from cnnlab.config.compose import compose
from cnnlab.errors import UserError

USAGE = "lr GROUP=OPTION KEY=VALUE ... --from RATE --to RATE --steps N --picture FILE.png"
PICTURES = Path("outputs", "lr")
FEWEST_STEPS = 20


def main(words: Sequence[str]) -> int:
    """Train a fresh network while the rate rises, draw the loss, and suggest a rate.

    Raises:
        UserError: for a wrong flag or setting.
    """
    arguments, overrides = parse(words)
    picture: Path | None = arguments.picture
    cfg = compose(overrides)

    from cnnlab.cli.rehearsal import rehearse
    from cnnlab.config.check import check
    from cnnlab.config.choices import choices, options_typed
    from cnnlab.figures.rates import learning_rate_range
    from cnnlab.figures.style import save
    from cnnlab.training.lr_range import lr_range_test

    check(cfg)
    rehearse(cfg)
    with tempfile.TemporaryDirectory() as nowhere:
        found = lr_range_test(
            cfg,
            lowest=arguments.lowest,
            highest=arguments.highest,
            steps=arguments.steps,
            folder=Path(nowhere),
        )
    suggestion = found.suggestion
    chosen = choices(options_typed(overrides))
    what = f"{chosen['model']} on {chosen['data']}, {chosen['optimizer']}"
    figure = learning_rate_range(
        found.rates, found.losses, found.smoothed, suggestion, title=f"Range test: {what}"
    )
    path = picture or _free(PICTURES / f"{what.replace(', ', '_').replace(' ', '_')}.png")
    try:
        print(f"picture: {save(figure, path)}")
    except OSError as error:
        raise UserError(f"{path}: the picture cannot be written there ({error.strerror}).") from error
    said = f"{len(found.rates)} steps, rates {found.rates[0]:.2g} to {found.rates[-1]:.2g}"
    if suggestion is None:
        print(f"{said}; the loss never fell, so there is no suggestion: lower --from, or take more --steps")
    else:
        print(f"{said}; the loss fell fastest at {suggestion:.2g}: optimizer.lr={suggestion:.2g}")
    return 0


def parse(words: Sequence[str]) -> tuple[Namespace, list[str]]:
    """Part flags from settings, which come second.

    Raises:
        UserError: for a range that does not rise, too few steps, or a picture that cannot be.
    """
    parser = Arguments("lr", USAGE)
    parser.add_argument("--from", dest="lowest", type=float, default=1e-6)
    parser.add_argument("--to", dest="highest", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--picture", type=Path)
    arguments, overrides = parser.parse_known_args(list(words))
    if not 0 < arguments.lowest < arguments.highest < float("inf"):
        raise UserError(
            f"lr --from {arguments.lowest:g} --to {arguments.highest:g}: rates are above 0, and rise."
        )
    if arguments.steps < FEWEST_STEPS:
        raise UserError(f"lr --steps {arguments.steps}: at least {FEWEST_STEPS}.")
    picture: Path | None = arguments.picture
    if picture is not None and picture.suffix != ".png":
        raise UserError(f"lr --picture {picture}: its name must end in .png.")
    if picture is not None and picture.exists():
        raise UserError(f"lr --picture {picture}: it is there already, and nothing is overwritten.")
    return arguments, overrides


def _free(path: Path) -> Path:
    """This path, or with a number behind the name the first one that is free."""
    number = 2
    found = path
    while found.exists():
        found = path.with_stem(f"{path.stem}_{number}")
        number += 1
    return found
