"""What the states of unfinished epochs cost: the share of the training's time that their writing takes.

    python benchmarks/checkpoints.py [OVERRIDE ...]

Trains the main job, or what the overrides say, and counts the seconds within the writing of every state.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from cnnlab.config.compose import compose
from cnnlab.training.checkpoint_files import AtomicCheckpointIO
from cnnlab.training.run import run


def main() -> None:
    """Train and print the share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE")
    overrides = parser.parse_args().overrides
    written: list[float] = []
    save = AtomicCheckpointIO.save_checkpoint

    def timed(self: AtomicCheckpointIO, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401
        begun = time.perf_counter()
        save(self, *arguments, **settings)
        written.append(time.perf_counter() - begun)

    AtomicCheckpointIO.save_checkpoint = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        result = run(compose(overrides), Path(folder) / "run", told=overrides)
        size = (Path(folder) / "run" / "checkpoints" / "last.ckpt").stat().st_size
    once = sum(written) / len(written)
    every = compose(overrides).callbacks.checkpoint.every_seconds
    print(f"{len(written)} checkpoints of {size / 1e6:.1f} MB in {result.seconds:.1f} s: {once:.3f} s each")
    print(f"all of them {sum(written) / result.seconds:.1%} of the time")
    print(f"one every {every} s: {once / (every or once):.2%} of the time")


if __name__ == "__main__":
    main()
