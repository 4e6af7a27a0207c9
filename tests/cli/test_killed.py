"""Runs of the real command line that are killed with SIGKILL at exact moments, resumed, and compared."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# 1294 samples in batches of 64, until three epochs in a row bring nothing better.
STEPS, EPOCHS = 21, 5
WORDS = [
    *("data=digits", "data.size=8", "data.batch_size=64", "data.augment.shift=1", "data.augment.rotation=10"),
    *("model=convnet", "model.features=[8,P]", "model.classifier=[16]", "model.norm=before"),
    *("model.dropout_pool=0.2", "optimizer.lr=0.05", "schedule=time_decay", "schedule.decay=0.01"),
    *("trainer=cpu", "callbacks=early_stopping", "callbacks.early_stopping.patience=2"),
    *("trainer.max_epochs=30", "hydra.run.dir=run", "data.store=store"),
]
NEVER = "cnnlab.training.run:run:after:0"
DRAWN = random.Random(4)


def within(first, last, epochs=0):
    """A number of a call, drawn at random, after so many epochs of 21."""
    return DRAWN.randint(first, last) + epochs * STEPS


# When, and whether a state of the unfinished epoch is written after every step.
MOMENTS = {
    "in mid-epoch, a state after every step": (
        f"cnnlab.models.module:NetworkModule.training_step:before:{within(2, 20)}",
        True,
    ),
    "in validation": (f"cnnlab.models.module:NetworkModule.validation_step:before:{within(2, 4)}", False),
    "while a state is written": (f"torch:UntypedStorage.nbytes:before:{within(200, 900)}", True),
    "while the data is prepared": ("cnnlab.data.store_writer:StoreWriter._finish:before:1", False),
    "when the data is prepared": ("cnnlab.data.store_writer:StoreWriter.__exit__:after:1", False),
    "before the first step": ("cnnlab.models.module:NetworkModule.training_step:before:1", False),
    "in mid-epoch, states at epochs' ends": (
        f"cnnlab.models.module:NetworkModule.training_step:before:{within(2, 20, 2)}",
        False,
    ),
    "before a backward pass": (
        f"cnnlab.models.module:NetworkModule.optimizer_zero_grad:after:{within(2, 20, 1)}",
        True,
    ),
    "after an optimizer's step": (
        f"cnnlab.models.module:NetworkModule.optimizer_step:after:{within(2, 20, 1)}",
        True,
    ),
    "after an epoch's last step": (
        f"cnnlab.models.module:NetworkModule.optimizer_step:after:{2 * STEPS}",
        True,
    ),
    "when a state is written, before it is renamed": (
        f"cnnlab.training.checkpoint_files:torch.save:after:{within(2, 20, 1)}",
        True,
    ),
    "between the renaming of the old state and the new": (
        f"pathlib:Path.replace:after:{2 * within(10, 18) + 1}",
        True,
    ),
    "when a state is renamed": (
        f"cnnlab.training.checkpoints:BestAndLast.save_state:after:{within(2, 20, 1)}",
        True,
    ),
    "between the best epoch and the last state": (
        "cnnlab.training.checkpoints:BestAndLast._save_topk_checkpoint:after:2",
        False,
    ),
    "before a row of metrics.csv": ("cnnlab.training.loggers:EpochRecords._write:before:3", False),
    "between a row and its checkpoint": ("cnnlab.training.loggers:EpochRecords._write:after:3", False),
    "at the end of the training": ("cnnlab.training.run:Run._restore_best:before:1", False),
    "in the test": ("cnnlab.models.module:NetworkModule.test_step:after:1", False),
    "while the figures are drawn": ("cnnlab.training.run:save:after:1", False),
    "before the result": ("cnnlab.training.result:Result.write:before:1", False),
}
IN_TESTS = list(MOMENTS)[:3]  # the rest with make proofs
AT_ONCE = ("while the data is prepared", "when the data is prepared", "before the first step")


def typed(folder, moment, trace, *words):
    """Run the program in a folder, with its own caches; gives its exit code and what it said."""
    folder.mkdir(exist_ok=True)
    script = Path(__file__).with_name("kill_at.py")
    names = {name: value for name, value in os.environ.items() if name != "CNNLAB_DATA"}
    ended = subprocess.run(
        [sys.executable, str(script), moment, trace, *words],
        cwd=folder,
        env=names | {"XDG_CACHE_HOME": str(folder / "caches"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def steps(file):
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def left(run):
    """All that a run leaves, without its times: rows, result, curves, weights."""
    with (run / "metrics.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    result = json.loads((run / "result.json").read_text())
    del result["seconds"], result["samples_per_second"]
    del result["git"]  # somebody may be writing while the tests run
    curves = {}
    for part in ("train", "val"):
        events = EventAccumulator(str(run / "tensorboard" / part)).Reload()
        for tag in events.Tags()["scalars"]:
            curves[part, tag] = [(event.step, event.value) for event in events.Scalars(tag)]
    files = sorted(str(path.relative_to(run)) for path in run.rglob("*") if "tfevents" not in path.name)
    return rows, result, curves, files


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    code, said = typed(folder, NEVER, "steps", *WORDS)
    assert code == 0, said
    assert "stopped" not in said
    run = folder / "run"
    epochs = json.loads((run / "result.json").read_text())["epochs"]
    assert EPOCHS <= epochs < 30  # it stopped early
    assert steps(folder / "steps") == list(range(epochs * STEPS))
    return run


@pytest.mark.parametrize("name", MOMENTS)
def test_a_killed_run_goes_on_to_the_same_bits(whole, tmp_path, name, proofs):
    if not proofs and name not in IN_TESTS:
        pytest.skip("a heavy proof: make proofs")
    moment, every_step = MOMENTS[name]
    words = [*WORDS, "callbacks.checkpoint.every_seconds=0"] if every_step else WORDS
    code, said = typed(tmp_path, moment, "killed", *words)
    assert code == -signal.SIGKILL, said
    run, found = tmp_path / "run", 0
    for last in (run / "checkpoints" / "last.ckpt", run / "checkpoints" / "previous.ckpt"):
        if last.exists() and not found:
            state = torch.load(last, weights_only=True)
            found = state["global_step"]
            # The sums of the batches that the unfinished epoch has had.
            if found % STEPS:
                assert state["sums"]["train"][2] == found % STEPS * 64
    assert (found > 0) == (name not in AT_ONCE)

    code, said = typed(tmp_path, NEVER, "resumed", "resume", "run")
    assert code == 0, said
    before, after = steps(tmp_path / "killed"), steps(tmp_path / "resumed")
    total = len(steps(whole.parent / "steps"))
    # Nothing is repeated but the steps since the checkpoint.
    assert after == list(range(found, total))
    assert before == list(range(len(before)))
    assert len(before) - found <= (1 if every_step else STEPS)

    assert left(run) == left(whole)
    weights, others = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (run, whole)
    )
    assert weights["state_dict"].keys() == others["state_dict"].keys()
    for key, value in weights["state_dict"].items():
        assert torch.equal(value, others["state_dict"][key]), key
    assert weights["optimizer_states"][0]["state"].keys() == others["optimizer_states"][0]["state"].keys()


def test_the_moments_are_twenty():
    """At least fifteen of them go on from a state behind the first step, which each asserts."""
    assert len(MOMENTS) == 20
    assert len(MOMENTS) - len(AT_ONCE) >= 15
