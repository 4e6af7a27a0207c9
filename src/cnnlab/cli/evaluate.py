"""``evaluate``: a run's network tested again, or on another part or other data."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from cnnlab.cli.arguments import Arguments
from cnnlab.cli.isolation import quiet_lightning
from cnnlab.errors import visible

USAGE = (
    "evaluate RUN [data=NAME] [data.KEY=VALUE ...] [trainer.KEY=VALUE ...] [model.test_time_flip=true|false] "
    "[--part test|val|train] [--json]"
)
SAME = 1e-6  # metrics that differ by less are equal


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read what was typed.

    Raises:
        UserError: for a flag or part that there is not.
    """
    parser = Arguments("evaluate", USAGE)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--part", choices=("test", "val", "train"), default="test")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_intermixed_args(list(words))
    if arguments.run is None:
        parser.error("a run folder is needed")
    return arguments


def main(words: Sequence[str]) -> int:
    """Print the metrics, and what differs from the run's own test.

    Raises:
        UserError: if this is no run folder, or the network cannot take the data.
    """
    arguments = parse(words)

    from cnnlab.training.evaluation import evaluate
    from cnnlab.training.folder import RunFolder

    quiet_lightning()

    found = evaluate(arguments.run, arguments.overrides, arguments.part)
    for remark in found.remarks:
        print(visible(f"cnnlab: {remark}."), file=sys.stderr)
    if arguments.json:
        print(json.dumps(asdict(found), indent=1))
        return 0
    print(f"{found.part}, {found.samples:,} samples; data fingerprint {found.data_fingerprint}")
    result = RunFolder(arguments.run).result() or {}
    before = result.get("test", {}) if found.part == "test" and not found.remarks else {}
    for name, value in found.metrics.items():
        then = before.get(name)
        differs = f" (result.json: {then:.6f})" if then is not None and abs(then - value) > SAME else ""
        print(f"{name.replace('_', ' ')} {value:.6f}{differs}")
    return 0
