"""``describe``: a network's layers, shapes, parameters and FLOPs, without the data set's files."""

import sys
from collections.abc import Sequence

from cnnlab.config.compose import compose

WIDTH = 100


def main(overrides: Sequence[str]) -> int:
    """Print the table of the network that these overrides ask for.

    Raises:
        UserError: if the config is wrong, or the network cannot take the data.
    """
    cfg = compose(overrides)

    from rich.console import Console

    from cnnlab.config.check import check
    from cnnlab.models.describe import describe
    from cnnlab.training.build import build

    check(cfg)
    data, model = build(cfg)
    spec = data.spec
    # Into a file or a pipe there is no width to keep to.
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    shape = " x ".join(map(str, spec.input_shape))
    console.print(f"{spec.name}: {spec.kind} {shape}, {spec.outputs} {spec.target}", highlight=False)
    console.print(describe(model.network, model.preprocess.output_shape, model.network_dtype).as_rich())
    return 0
