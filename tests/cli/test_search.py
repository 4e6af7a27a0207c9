import json
import random
import re
import sys

import pytest

optuna = pytest.importorskip("optuna")

SMALL = ("data.size=8", "model=linear", "trainer=cpu", "trainer.max_epochs=1", "logger=none")
SEARCH = ("-m", *SMALL, "hydra/sweeper=search", "hydra.sweep.dir=study")


def trials(folder):
    return optuna.load_study(study_name="search", storage=f"sqlite:///{folder}/search.db").get_trials()


def test_failed_trials_are_recorded_and_more_are_added_later(cnnlab, tmp_path):
    words = (*SEARCH, "optimizer=sgd", "optimizer.lr=0.1,1e38", "hydra.sweeper.sampler=random")
    code, out, err = cnnlab(*words, "hydra.sweeper.n_trials=3")
    assert code == 0
    found = trials(tmp_path / "study")
    assert {trial.state.name for trial in found} == {"COMPLETE", "FAIL"}
    for trial in found:
        (folder,) = (tmp_path / "study").glob(f"{trial.number}_*")
        result = json.loads((folder / "result.json").read_text())
        assert trial.value == (result["val"]["accuracy"] if result["status"] == "finished" else None)
    failed = [trial.number + 1 for trial in found if trial.state.name == "FAIL"]
    assert [int(n) for n in re.findall(r"cnnlab: job (\d)/3 failed: the training loss is", err)] == failed
    assert "Best by validation is lr=0.1" in out
    code, out, _ = cnnlab(*words, "hydra.sweeper.n_trials=4")
    assert code == 0
    assert [line[:7] for line in out.splitlines() if line.startswith("job ")] == ["job 4/4"]


def test_a_hopeless_trial_is_given_up(cnnlab, tmp_path):
    code, out, err = cnnlab(
        *SEARCH,
        *(
            "trainer.max_epochs=3",
            "optimizer.lr=0.05,1e-9",
            "schedule=constant",
            "hydra.sweeper.sampler=grid",
        ),
        *("hydra.sweeper.pruning_startup_trials=1", "hydra.sweeper.pruning_warmup_epochs=0"),
    )
    assert (code, err) == (0, "")
    good, hopeless = trials(tmp_path / "study")
    assert (good.state.name, hopeless.state.name) == ("COMPLETE", "PRUNED")
    assert (len(good.intermediate_values), len(hopeless.intermediate_values)) == (3, 1)
    assert "job 2/2: given up after epoch 1, with val/accuracy 0." in out
    (folder,) = (tmp_path / "study").glob("1_*")
    assert json.loads((folder / "result.json").read_text())["status"] == "pruned"
    assert "pruned" in (tmp_path / "study" / "study.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["optimizer.lr=interval(1,0)"], "optimizer.lr=interval(1,0): an interval goes"),
        (["optimizer.lr=interval(-1,1)"], "optimizer.lr=-1.0: allowed is a number (at least 0)"),
        (["optimizer.lr=0.1,1", "hydra.sweeper.n_trails=3"], "hydra.sweeper.n_trails"),
        (["optimizer.lr=0.1,1", "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: allowed is"),
        (["model=linear,lineer"], "model=lineer: there is no such model; did you mean linear?"),
        (["seed=1"], "hydra/sweeper=search: nothing is varied"),
        (["seed=1", "hydra.sweep.dir=deep/er/study"], "hydra/sweeper=search: nothing is varied"),
        (
            ["optimizer.lr=0.1,1", "hydra.sweeper.storage=foo://bar"],
            "hydra.sweeper.storage: the trials of the search cannot be read",
        ),
        (["model.dropuot=interval(0,0.5)"], "model.dropuot: model has no key dropuot; did you mean dropout?"),
        (
            ["callbacks.checkpoint.monitor=train/accuracy,auto"],
            "its trials would be followed by train/accuracy (max) and val/accuracy (max)",
        ),
    ],
)
def test_a_mistake_is_one_sentence_before_the_first_trial(cnnlab, tmp_path, words, said):
    code, out, err = cnnlab(*SEARCH, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_without_optuna_the_error_names_the_extra(cnnlab, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    code, _, err = cnnlab(*SEARCH, "optimizer.lr=0.1,1")
    assert code == 2
    assert "pip install 'cnnlab[search]'" in err
    assert not list(tmp_path.iterdir())


def test_a_search_that_is_killed_ends_with_as_many_trials_as_asked_for(cnnlab, tmp_path, proofs, killed):
    count = 6 if proofs else 3
    words = (*SEARCH, "optimizer.lr=tag(log,interval(1e-3,1e-1))", f"hydra.sweeper.n_trials={count}")
    moments = random.Random(0)
    for _ in range(5 if proofs else 1):
        killed(words, tmp_path / "study", moments.uniform(0, 3))
    assert cnnlab(*words)[0] == 0
    found = trials(tmp_path / "study")
    assert [(trial.number, trial.state.name) for trial in found] == [(n, "COMPLETE") for n in range(count)]
    assert len(list((tmp_path / "study").glob("*_*/result.json"))) == count
