import csv
import json
from types import SimpleNamespace

import pytest
import torch

from cnnlab.config.compose import compose
from cnnlab.errors import UserError
from cnnlab.models.module import NetworkModule
from cnnlab.training.folder import RunFolder
from cnnlab.training.loggers import EpochRecords
from cnnlab.training.resuming import RunState, Start, latest, random_states, set_random_states
from cnnlab.training.run import run

# 1294 samples in batches of 128: eleven steps an epoch.
STEPS = 11
SMALL = [
    *("data=digits", "data.size=8", "data.augment.shift=1", "model=mlp", "model.hidden=[16]"),
    *(
        "data.batch_size=128",
        "model.dropout=0.2",
        "trainer=cpu",
        "trainer.max_epochs=4",
        "logger=none",
        "schedule=constant",
    ),
]
EVERY_STEP = "callbacks.checkpoint.every_seconds=0"


class Killed(BaseException):
    """What nothing catches."""


@pytest.fixture
def killed(monkeypatch, tmp_path):
    """Train until the given step begins, and end there without a word."""

    def train(step, *overrides, words=SMALL):
        def training_step(self, batch, batch_idx):
            if self.trainer.global_step == step:
                raise Killed
            return original(self, batch, batch_idx)

        original = NetworkModule.training_step
        training_step.__signature__ = original.__signature__
        cfg = compose([*words, *overrides])
        with monkeypatch.context() as patched:
            patched.setattr(NetworkModule, "training_step", training_step)
            with pytest.raises(Killed):
                run(cfg, tmp_path / "killed")
        return RunFolder(tmp_path / "killed")

    return train


def went_on(place, *overrides):
    return run(compose([*SMALL, *overrides]), place.path, start=latest(place))


def left(folder):
    """What a run leaves, without its times."""
    with (folder / "metrics.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    result = json.loads((folder / "result.json").read_text())
    del result["seconds"], result["samples_per_second"]
    del result["git"]  # somebody may be writing while the tests run
    return rows, result


@pytest.mark.parametrize(
    ("step", "overrides"),
    [
        (STEPS + 7, [EVERY_STEP, "schedule=one_cycle", "optimizer=sgd_nesterov"]),
        # The rate is cut after nearly each epoch.
        (2 * STEPS + 5, ["schedule=plateau", "schedule.patience=0", "optimizer.lr=0.1"]),
        (2 * 7 + 3, ["trainer.limit_train_batches=7"]),
        (2 * STEPS + 5, ["trainer.max_steps=38"]),
        (STEPS + 7, [EVERY_STEP, "trainer.max_steps=38"]),
        (7, [EVERY_STEP, "trainer.accumulate_grad_batches=3"]),
        (2 * STEPS + 5, ["trainer.check_val_every_n_epoch=2", "data.watch_test=true"]),
        (STEPS + 7, [EVERY_STEP, "+trainer.val_check_interval=0.4"]),
        (2 * STEPS + 5, ["callbacks=last", "optimizer=rmsprop"]),
        (5, [EVERY_STEP, "optimizer.lr=0"]),  # which is warned about at the first epoch's end
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_run_that_is_resumed_ends_as_the_unbroken_one(killed, tmp_path, step, overrides):
    place = killed(step, *overrides)
    assert 0 < latest(place).step <= step
    went_on(place, *overrides)
    run(compose([*SMALL, *overrides]), tmp_path / "whole")
    assert left(place.path) == left(tmp_path / "whole")


def test_what_was_left_out_before_the_epoch_is_known_again(killed, tmp_path):
    # Of the three steps of each epoch one is left out; killed in the fifth epoch.
    lines = [f"{i % 7},{i % 5},{'yes' if i % 2 else 'no'}" for i in range(100)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,y", *lines[:37], "?,1,yes", *lines[38:]]))
    words = [f"data.path={tmp_path / 'table.csv'}", "data=csv", "data.target=y", "data.missing={a:['?']}"]
    words += ["data.batch_size=24", "model=mlp", "model.hidden=[4]", "model.preprocess=[]", EVERY_STEP]
    words += ["callbacks.on_nan=skip", "trainer=cpu", "trainer.max_epochs=6", "logger=none"]
    words += ["schedule=constant"]
    place = killed(4 * 3 + 1, words=words)
    resumed = run(compose(words), place.path, start=latest(place))
    assert resumed.steps_left_out == 6
    run(compose(words), tmp_path / "whole")
    assert left(place.path) == left(tmp_path / "whole")


def test_the_sums_of_an_unfinished_epoch_are_in_its_state(killed):
    place = killed(STEPS + 7, EVERY_STEP)
    state = torch.load(place.last, weights_only=True)
    assert state["sums"]["train"][2].item() == 7 * 128
    assert latest(place) == Start(
        place.last, 1, 2, STEPS + 7, state["run"]["seconds"], {}, state["run"]["data_fingerprint"]
    )


def test_a_damaged_state_gives_way_to_the_one_before(killed, tmp_path):
    place = killed(STEPS + 7, EVERY_STEP)
    content = bytearray(place.last.read_bytes())
    content[len(content) // 2] ^= 1  # one bit, within a tensor
    place.last.write_bytes(content)
    start = latest(place)
    assert start.step == STEPS + 6
    assert "last.ckpt: not a checkpoint that can be read" in start.remark
    assert not place.previous.exists()
    run(compose([*SMALL, EVERY_STEP]), place.path, start=start)
    run(compose(SMALL), tmp_path / "whole")
    assert left(place.path) == left(tmp_path / "whole")


def test_without_a_state_that_can_be_read_nothing_begins(killed):
    place = killed(STEPS + 7, EVERY_STEP)
    place.last.write_bytes(b"")
    place.previous.write_bytes(b"rubbish")
    with pytest.raises(UserError, match=r"last\.ckpt: .*previous\.ckpt: .*no state to go on from"):
        latest(place)


def test_states_are_pruned_but_for_the_best_and_the_last(killed, tmp_path):
    place = killed(2 * STEPS + 5, EVERY_STEP)
    assert sorted(path.name for path in place.checkpoints.iterdir()) == [
        *("best.ckpt", "last.ckpt", "previous.ckpt"),
    ]
    result = went_on(place)
    assert sorted(path.name for path in place.checkpoints.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert torch.load(place.best, weights_only=True)["epoch"] + 1 == result.best_epoch


def test_a_run_folder_may_be_moved_before_it_is_resumed(killed, tmp_path):
    place = killed(2 * STEPS + 5)
    moved = RunFolder(place.path.rename(tmp_path / "elsewhere"))
    went_on(moved)
    run(compose(SMALL), tmp_path / "whole")
    assert left(moved.path) == left(tmp_path / "whole")


def test_other_data_is_refused(killed):
    place = killed(STEPS + 5)
    with pytest.raises(UserError, match="no longer what this run was trained on"):
        went_on(place, "data.split_seed=1")


def test_a_finished_training_stays_stopped_but_for_a_new_patience(killed, tmp_path):
    words = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1", "optimizer.lr=1e-30"]
    result = run(compose([*SMALL, *words]), tmp_path / "killed")
    place = RunFolder(tmp_path / "killed")
    assert result.epochs == 2
    assert went_on(place, *words).epochs == 2
    assert went_on(place, *words, "callbacks.early_stopping.patience=2").epochs == 3


def test_longer_is_as_if_it_had_been_so_from_the_start(tmp_path):
    run(compose([*SMALL, "trainer.max_epochs=2"]), tmp_path / "short")
    went_on(RunFolder(tmp_path / "short"))
    run(compose(SMALL), tmp_path / "whole")
    assert left(tmp_path / "short") == left(tmp_path / "whole")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.update(optimizer_states=[{}]),
        lambda state: state["run"].update(random={}),
        lambda state: state.update(loops=3),
        lambda state: state.update({"pytorch-lightning_version": "abc"}),
        lambda state: state.update(callbacks={"BestAndLast": 3}),
    ],
    ids=["optimizer", "random", "loops", "version", "callbacks"],
)
def test_a_wrong_state_is_a_sentence_and_changes_nothing(finished, spoil):
    state = torch.load(finished.last, weights_only=True)
    spoil(state)
    torch.save(state, finished.last)
    before = finished.result()
    with pytest.raises(UserError, match=r"last\.ckpt: not a state that this run can go on from"):
        went_on(finished)
    assert finished.result() == before
    assert finished.config().trainer.max_epochs == 1


def test_rows_without_their_times_are_a_sentence(finished):
    metrics = finished.path / "metrics.csv"
    metrics.write_text(metrics.read_text().replace("seconds", "secs"))
    with pytest.raises(UserError, match=r"metrics\.csv: it does not hold the 1 epochs"):
        went_on(finished, "logger=tensorboard")


@pytest.fixture
def finished(tmp_path):
    """A run of one epoch, which may go on."""
    run(compose([*SMALL, "trainer.max_epochs=1"]), tmp_path / "finished")
    return RunFolder(tmp_path / "finished")


def test_leftovers_of_a_kill_are_removed(killed):
    place = killed(STEPS + 5)
    left = place.checkpoints / ".cnnlab-0123abcd-last.ckpt"
    left.write_bytes(b"half")
    went_on(place)
    assert not left.exists()


def test_one_run_is_trained_by_one_process(tmp_path):
    place = RunFolder(tmp_path / "run")
    with place.held(), pytest.raises(UserError, match="another process is training this run"):
        run(compose(SMALL), tmp_path / "run")
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_random_states_survive_a_checkpoint(tmp_path):
    torch.save(random_states(), tmp_path / "states")
    first = torch.rand(3)
    set_random_states(torch.load(tmp_path / "states", weights_only=True))
    assert torch.equal(torch.rand(3), first)


def test_a_fresh_training_may_have_rates_that_are_tensors(tmp_path):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=torch.tensor(0.1))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    trainer = SimpleNamespace(
        optimizers=[optimizer],
        lr_scheduler_configs=[SimpleNamespace(scheduler=schedule)],
        callback_metrics={},
    )
    RunState(EpochRecords(tmp_path / "metrics.csv")).on_train_start(trainer, None)
    assert trainer.callback_metrics == {}
