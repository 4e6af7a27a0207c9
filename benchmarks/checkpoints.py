"""What the states of unfinished epochs cost: the share of a training's time that their writing takes.

    python benchmarks/checkpoints.py [OVERRIDE ...]

Trains the main job, or what the overrides say, for three steps, and writes its state twenty times.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from cnnlab.config.compose import compose
from cnnlab.training.checkpoint_files import AtomicCheckpointIO, read_checkpoint
from cnnlab.training.run import run

SHORT = ["trainer.max_epochs=1", "trainer.limit_train_batches=3", "logger=none"]


def main() -> None:
    """Measure and print the share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE")
    cfg = compose([*SHORT, *parser.parse_args().overrides])
    every = cfg.callbacks.checkpoint.every_seconds
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        run(cfg, Path(folder) / "run")
        last = Path(folder) / "run" / "checkpoints" / "last.ckpt"
        state = read_checkpoint(last)
        for _ in range(20):
            begun = time.perf_counter()
            AtomicCheckpointIO().save_checkpoint(state, last)
            seconds.append(time.perf_counter() - begun)
        size = last.stat().st_size / 1e6
    for name, once in (("best", min(seconds)), ("median", median(seconds))):
        print(
            f"{size:.0f} MB in {once:.2f} s ({name} of 20): {once / every:.1%} of the time if every {every} s"
        )


if __name__ == "__main__":
    main()
