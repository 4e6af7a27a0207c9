"""Training speed of cnnlab beside a bare PyTorch loop, in interleaved pairs.

    python benchmarks/speed.py [NET ...] [--pairs 5] [--root FOLDER] [--bare FILE]

Each pair is one run of the bare loop in its fastest setting and one run of cnnlab on the real data, with
flip and shift where there are convolutions; both with SGD and momentum at a constant
rate. Printed are medians and ratio.
The raw data is looked for in --root (default: CNNLAB_DATA), and not verified.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
AUGMENTED = ["data.augment.horizontal_flip=true", "data.augment.shift=0.1"]
RUNS = {  # overrides of cnnlab, and how many batches an epoch is cut to
    "fashion_2_blocks": (["data=fashion_mnist", "data.batch_size=50", *AUGMENTED], 600),
    "deep_cnn": (["data=cifar10", "data.batch_size=32", *AUGMENTED], 700),
    "vgg_like": (["data=cifar100", "data.classes=25", "data.batch_size=128", *AUGMENTED], 30),
    "mnist_dense": (["data=mnist", "data.batch_size=32"], 1500),
}


def bare(net: str, script: Path) -> float:
    """Samples per second of the bare loop."""
    done = subprocess.run(
        [sys.executable, str(script), net, "--best"], capture_output=True, text=True, check=True
    )
    return max(float(json.loads(line)["samples_per_s"]) for line in done.stdout.splitlines())


def ours(net: str, extra: list[str]) -> float:
    """Samples per second of cnnlab, as result.json says it."""
    overrides, batches = RUNS[net]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "cnnlab", f"model={net}", *overrides),
            *("optimizer=sgd", "schedule=constant"),
            *("data.verify=false", "trainer.max_epochs=2", f"trainer.limit_train_batches={batches}"),
            *(
                "trainer.limit_val_batches=1",
                "trainer.limit_test_batches=1",
                f"hydra.run.dir={folder}",
                *extra,
            ),
        ]
        subprocess.run(command, capture_output=True, text=True, check=True)
        return float(json.loads((Path(folder) / "result.json").read_text())["samples_per_second"])


def main() -> None:
    """Measure the pairs and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET", help=", ".join(RUNS))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--root", help="folder of the raw data")
    parser.add_argument("--bare", type=Path, default=HERE / "bare_loop.py", help="another bare loop")
    arguments = parser.parse_args()
    extra = [f"data.root={arguments.root}"] if arguments.root else []
    print("| network | bare loop, samples/s | cnnlab, samples/s | ratio |\n|---|---:|---:|---:|")
    for net in arguments.nets or RUNS:
        pairs = [(bare(net, arguments.bare), ours(net, extra)) for _ in range(arguments.pairs)]
        ceiling, speed = (median(side) for side in zip(*pairs, strict=True))
        ratio = median(b / a for a, b in pairs)
        print(f"| {net} | {ceiling:,.0f} | {speed:,.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
