"""Several devices: a process each, which share every batch."""

import csv
import json
import os
import subprocess
import sys

import pytest

# Each process draws its own augmentation, so that there must be none where two runs are to be equal.
EQUAL = ("data.augment.shift=0", "data.augment.rotation=0", "data.batch_size=128", "trainer.accelerator=cpu")
SMALL = (*EQUAL, "data.size=8", "model=linear", "trainer.max_epochs=2")
COUNTS = ("status", "samples", "data_fingerprint", "parameters", "epochs", "best_epoch")


def test_two_processes_take_the_steps_of_one_and_leave_one_result(cnnlab, tmp_path):
    assert cnnlab(*SMALL, "trainer=cpu", "hydra.run.dir=one run")[0] == 0
    # Not within this process: Lightning starts the program that it runs in once more.
    ended = subprocess.run(
        [sys.executable, "-m", "cnnlab", *SMALL, "trainer=ddp", "hydra.run.dir=two run"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [ended.stdout.count(part) for part in ("epoch 1/2,", "epoch 2/2,", "folder: ")] == [1, 1, 1]
    one, two = (tmp_path / "one run", tmp_path / "two run")
    assert {file.parent for file in tmp_path.rglob("result.json")} == {one, two}
    # A writer of the second process would mix its files with those of the first.
    assert len(list(two.rglob("events.*"))) == len(list(one.rglob("events.*")))

    results = [json.loads((folder / "result.json").read_text()) for folder in (one, two)]
    assert [results[1][name] for name in COUNTS] == [results[0][name] for name in COUNTS]
    assert results[1]["test"] == pytest.approx(results[0]["test"], rel=1e-4)
    rows = [list(csv.DictReader((folder / "metrics.csv").read_text().splitlines())) for folder in (one, two)]
    # 1,294 samples in batches of 128, over both devices.
    assert [int(row["step"]) for row in rows[1]] == [int(row["step"]) for row in rows[0]] == [11, 22]
    for name in ("train/loss", "val/loss"):
        losses = [[float(row[name]) for row in found] for found in rows]
        assert losses[1] == pytest.approx(losses[0], rel=1e-4), name
