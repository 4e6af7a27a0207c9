import json
import math

import numpy as np
import pytest

optuna = pytest.importorskip("optuna")

from cnnlab.errors import UserError  # noqa: E402 - what follows needs Optuna
from cnnlab.study.search import Search, SearchSettings  # noqa: E402
from cnnlab.study.space import read_space  # noqa: E402

SPACE = read_space(
    ["seed=0", "model.l2=interval(0,1)", "optimizer.lr=tag(log,interval(1e-4,1))", "model=a,b"]
)
BEST = 0.3


def trained(overrides):
    """A landscape whose best is known, in place of a training; one of its options fails at times."""
    said = dict(word.split("=") for word in overrides)
    value = -((float(said["model.l2"]) - BEST) ** 2) - (said["model"] == "b")
    return math.nan if said["model"] == "b" and float(said["model.l2"]) > 0.9 else value


def leave(folder, trial):
    """The folder that a training would leave."""
    value = trained(trial.overrides)
    place = folder / f"{trial.number}_"
    place.mkdir(parents=True, exist_ok=True)
    failed = {"status": "failed", "reason": "the training loss is nan"}
    done = {"status": "finished", "followed": "val/accuracy", "val": {"accuracy": value}}
    (place / "result.json").write_text(json.dumps(failed if math.isnan(value) else done))
    return place


def begin(folder, *, space=SPACE, base="x", direction="max", **settings):
    folder.mkdir(exist_ok=True)
    return Search(
        SearchSettings(**{"n_trials": 12, **settings}), space, folder, direction=direction, base=base
    )


def go(search, stop=None, count=1):
    """Run trials to the end, or leave off in the middle of one, as a kill would."""
    done = 0
    while batch := search.ask(count):
        for trial in batch:
            if done == stop:
                return
            place = leave(search.folder, trial)
            done += 1
            search.tell(trial, place)


def trials(search):
    return [(t.number, t.state.name, t.value, t.params) for t in search.study.get_trials()]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_killed_at_five_moments_ends_as_the_unbroken_one(tmp_path, sampler):
    whole = begin(tmp_path / "whole", sampler=sampler)
    go(whole)
    for stop in np.random.default_rng(0).integers(0, 4, 5):
        go(begin(tmp_path / "broken", sampler=sampler), stop)
    broken = begin(tmp_path / "broken", sampler=sampler)
    go(broken)
    assert trials(broken) == trials(whole)
    assert len(trials(whole)) == 12
    assert {state for _, state, _, _ in trials(whole)} <= {"COMPLETE", "FAIL"}


def test_no_two_trials_are_drawn_alike_over_restarts(tmp_path):
    for _ in range(3):
        search = begin(tmp_path, sampler="random")
        go(search, 3)
    drawn = [tuple(params.values()) for _, _, _, params in trials(search)]
    assert len(set(drawn)) == len(drawn) >= 9


def test_a_failed_trial_is_recorded_with_its_reason(tmp_path):
    search = begin(
        tmp_path, space=read_space(["optimizer.lr=1", "model=b", "model.l2=0.95,0.1"]), sampler="grid"
    )
    go(search)
    first, second = search.study.get_trials()
    assert (first.state.name, first.user_attrs["reason"]) == ("FAIL", "the training loss is nan")
    assert (second.state.name, second.value) == ("COMPLETE", trained(["model.l2=0.1", "model=b"]))


def test_a_trial_that_left_nothing_has_failed(tmp_path):
    search = begin(tmp_path)
    (trial,) = search.ask(1)
    search.tell(trial, None)
    assert search.study.get_trials()[0].state.name == "FAIL"


def test_a_grid_is_gone_through_once_in_order(tmp_path):
    space = read_space(["optimizer.lr=1", "model=a,b", "model.l2=0,0.1,0.2"])
    for stop in (1, 2, None):
        search = begin(tmp_path, space=space, sampler="grid", n_trials=None)
        go(search, stop)
    assert [params for *_, params in trials(search)] == [
        {"model": m, "model.l2": l2} for m in "ab" for l2 in ("0", "0.1", "0.2")
    ]


def test_more_trials_go_on_from_those_that_are_there(tmp_path):
    go(begin(tmp_path, n_trials=3))
    search = begin(tmp_path, n_trials=5)
    go(search)
    assert len(trials(search)) == 5
    assert begin(tmp_path, n_trials=4).ask(1) == []


def test_several_at_a_time_are_no_more_than_asked_for(tmp_path):
    search = begin(tmp_path, n_trials=7)
    assert [trial.number for trial in search.ask(4)] == [0, 1, 2, 3]
    again = begin(tmp_path, n_trials=7)
    assert [trial.number for trial in again.ask(5)] == [0, 1, 2, 3, 4]
    assert [trial.number for trial in again.ask(5)] == [5, 6]


def test_whole_numbers_in_equal_steps_are_searched_as_numbers(tmp_path):
    space = read_space(["model.kernel_size=range(3,9,2)", "data.batch_size=8,64,32", "model=a,b"])
    kinds = {key: type(d).__name__ for key, d in begin(tmp_path, space=space).distributions.items()}
    assert kinds == {
        "model.kernel_size": "IntDistribution",
        "data.batch_size": "CategoricalDistribution",
        "model": "CategoricalDistribution",
    }


def test_tpe_finds_more_than_chance(tmp_path):
    space = read_space(["model=a", "optimizer.lr=1", "model.l2=interval(0,1)"])
    found = {}
    for sampler in ("tpe", "random"):
        search = begin(tmp_path / sampler, space=space, sampler=sampler, n_trials=30)
        go(search)
        found[sampler] = search.study.best_value
    assert found["tpe"] > found["random"]


@pytest.mark.parametrize(
    "change", [{"base": "y"}, {"direction": "min"}, {"space": read_space(["model=a,c"])}]
)
def test_another_search_in_the_same_folder_is_refused(tmp_path, change):
    begin(tmp_path)
    with pytest.raises(UserError, match="another search lies there"):
        begin(tmp_path, **change)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"n_trails": 3}, r"hydra\.sweeper\.n_trails: .* did you mean n_trials\?"),
        ({"n_trials": 0}, r"hydra\.sweeper\.n_trials=0: allowed is a whole number \(at least 1\)"),
        ({"sampler": "tpee"}, "did you mean tpe"),
        ({"sampler": "tpe", "n_trials": None}, r"n_trials=null: the sampler tpe has no end"),
        ({"sampler": "grid"}, r"model\.l2: a grid has no interval"),
    ],
)
def test_wrong_settings_are_refused(node, said):
    with pytest.raises(UserError, match=said):
        SearchSettings.read({"_target_": "x", **node}).total(SPACE)


def test_nothing_to_search_is_refused():
    with pytest.raises(UserError, match="nothing is varied"):
        SearchSettings().total(read_space(["seed=0"]))


def test_a_storage_that_is_none_is_named(tmp_path):
    with pytest.raises(UserError, match=r"hydra\.sweeper\.storage: the trials of the search cannot be read"):
        begin(tmp_path, storage="nosql://here")
