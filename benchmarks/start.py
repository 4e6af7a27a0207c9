"""From start to first batch on prepared CIFAR-10, imports aside, and the memory that it takes.

    python benchmarks/start.py [--root FOLDER]

The raw data is looked for in --root (default: CNNLAB_DATA), and not verified; a first run prepares it.
"""

import argparse
import resource
import time

from cnnlab.config.check import check
from cnnlab.config.compose import compose
from cnnlab.training.build import build


def main() -> None:
    """Prepare if need be, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", help="folder of the raw data")
    arguments = parser.parse_args()
    overrides = ["data=cifar10", "model=deep_cnn", "data.verify=false"]
    overrides += [f"data.root={arguments.root}"] if arguments.root else []
    build(compose(overrides))[0].prepare_data()
    start = time.perf_counter()
    cfg = compose(overrides)
    check(cfg)
    data, _ = build(cfg)
    data.prepare_data()
    data.setup()
    images, _ = next(iter(data.train_dataloader()))
    seconds = time.perf_counter() - start
    array = sum(data.samples(name).total_bytes for name in ("train", "test")) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"first batch of {len(images)} after {seconds:.2f} s")
    print(f"peak memory {peak:,.0f} MiB, of which the arrays are {array:,.0f} MiB")


if __name__ == "__main__":
    main()
