import csv
import json
import random
import re
import shutil

import pytest
import yaml
from filelock import FileLock
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from cnnlab.cli.study import keep_command

SMALL = ("data.size=8", "model=linear", "trainer=cpu", "trainer.max_epochs=1", "logger=none")


def results(study):
    """What each job of a study says, by its folder's number."""
    files = {int(file.parent.name.partition("_")[0]): file for file in study.glob("*/result.json")}
    return {number: json.loads(file.read_text()) for number, file in files.items()}


def test_two_by_two_jobs_lie_under_one_study(cnnlab, tmp_path):
    code, out, err = cnnlab("-m", *SMALL, "seed=1,2", "optimizer.lr=0.01,0.1")
    assert (code, err) == (0, "")
    (study,) = tmp_path.glob("outputs/*/*_study")
    found = results(study)
    assert {number: result["status"] for number, result in found.items()} == dict.fromkeys(
        range(4), "finished"
    )
    assert [found[number]["seed"] for number in range(4)] == [1, 1, 2, 2]
    assert len({result["weights_fingerprint"] for result in found.values()}) == 4
    assert sorted(folder.name for folder in study.glob("*_*")) == [
        f"{number}_optimizer.lr={lr},seed={seed}"
        for number, (seed, lr) in enumerate([(1, 0.01), (1, 0.1), (2, 0.01), (2, 0.1)])
    ]
    assert [line for line in out.splitlines() if line.startswith("job ")] == [
        f"job {number}/4: {' '.join(SMALL)} seed={seed} optimizer.lr={lr}"
        for number, (seed, lr) in enumerate([(1, 0.01), (1, 0.1), (2, 0.01), (2, 0.1)], 1)
    ]
    assert out.count("folder: ") == 4


def test_hydra_composes_no_job_before_its_turn(cnnlab, monkeypatch):
    """All are checked already; for a study of hundreds that took half a minute."""
    composed = []
    compose_job = ConfigLoaderImpl.load_sweep_config

    def noted(self, master_config, sweep_overrides):
        composed.append(sweep_overrides[-1])
        return compose_job(self, master_config, sweep_overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", noted)
    assert cnnlab("-m", *SMALL, "seed=1,2,3")[0] == 0
    assert composed == ["seed=1", "seed=2", "seed=3"]


def test_a_jobs_folder_is_named_by_its_choices_and_keeps_them(cnnlab, tmp_path):
    assert cnnlab("-m", *SMALL, "seed=7", "hydra.sweep.dir=my study")[0] == 0
    (folder,) = (tmp_path / "my study").glob("0_*")
    assert "seed=7" in folder.name
    assert yaml.safe_load((folder / "overrides.yaml").read_text()) == [*SMALL, "seed=7"]
    assert "started: " in (folder / "cnnlab.log").read_text()


def test_a_job_that_fails_is_recorded_and_the_others_run(cnnlab, tmp_path):
    words = ("-m", *SMALL, "optimizer=sgd", "optimizer.lr=1e38,0.1,1e37", "hydra.sweep.dir=study")
    code, out, err = cnnlab(*words)
    assert code == 1
    found = results(tmp_path / "study")
    assert [found[number]["status"] for number in range(3)] == ["failed", "finished", "failed"]
    assert out.count("folder: ") == 1
    first, last = err.splitlines()
    assert first.startswith("cnnlab: job 1/3 failed: the training loss is")
    assert last.startswith("cnnlab: job 3/3 failed: the training loss is")
    assert str(tmp_path / "study" / "0_") in first


def test_a_bug_in_one_job_does_not_end_the_study(cnnlab, monkeypatch, tmp_path):
    def broken(cfg, folder, **_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("cnnlab.training.run.run", broken)
    code, _, err = cnnlab("-m", *SMALL, "seed=1,2", "hydra.sweep.dir=study")
    assert code == 1
    assert err.count("failed: ZeroDivisionError: a bug") == 2
    logs = [file.read_text() for file in (tmp_path / "study").glob("*/cnnlab.log")]
    assert len(logs) == 2
    assert all("Traceback" in log for log in logs)


@pytest.mark.parametrize("number", [130, 143])
def test_a_signal_ends_the_whole_study(cnnlab, monkeypatch, number):
    def interrupted(cfg, folder, **_):
        raise SystemExit(number)

    monkeypatch.setattr("cnnlab.training.run.run", interrupted)
    code, out, _ = cnnlab("-m", *SMALL, "seed=1,2")
    assert code == number
    assert "job 2/2" not in out


@pytest.mark.parametrize(
    ("words", "said", "job"),
    [
        (["seed=1,2", "trainer.max_epochs=abc"], "trainer.max_epochs=abc", "seed=1"),
        (["optimizer.lr=0.1,-1"], "optimizer.lr=-1: allowed is", "optimizer.lr=-1"),
        (["data=digits,mnist"], "data.size: data has no key size", "data=mnist"),
        (["data.size=32,8", "model=vgg_like"], "too small", "data.size=8"),
        (["model=linear,lineer"], "model=lineer: there is no such model", "model=lineer"),
    ],
)
def test_a_mistake_in_any_job_is_found_before_the_first(cnnlab, tmp_path, words, said, job):
    code, out, err = cnnlab("-m", *SMALL, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert job in err.partition(" (in the job ")[2].rstrip(")\n").split()
    assert not list(tmp_path.iterdir())


def table(study):
    with (study / "study.csv").open(newline="") as file:
        return [
            {key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)
        ]


def test_a_study_that_is_killed_and_started_again_ends_with_the_same_table(cnnlab, tmp_path, proofs, killed):
    words = ("-m", *SMALL, "optimizer.lr=0.01,0.1", "seed=1,2" if proofs else "seed=1")
    assert cnnlab(*words, "hydra.sweep.dir=whole")[0] == 0
    again = (*words, "hydra.sweep.dir=broken")
    moments = random.Random(0)
    for _ in range(5 if proofs else 1):
        killed(again, tmp_path / "broken", moments.uniform(0, 4))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "broken").glob("*/result.json")}
    assert cnnlab(*again)[0] == 0
    assert table(tmp_path / "broken") == table(tmp_path / "whole")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_job_that_the_disk_has_ended_goes_on_where_there_is_room(cnnlab, small_disk, tmp_path):
    words = ("-m", "data.size=8", "model=mlp", "model.hidden=[300]", "trainer=cpu", "trainer.max_epochs=4")
    words += ("logger=none", "schedule=constant", "seed=1")
    code, _, err = cnnlab(*words, f"hydra.sweep.dir={small_disk}/study")
    assert code == 1
    assert "the one before it is intact" in err, err
    shutil.copytree(small_disk / "study", tmp_path / "study")
    code, out, _ = cnnlab(*words, "hydra.sweep.dir=study")
    assert code == 0
    assert re.search(r"seed=1 \(goes on from step [1-9]\d*\)", out)
    assert [result["epochs"] for result in results(tmp_path / "study").values()] == [4]


def test_a_finished_study_trains_nothing_anew(cnnlab, monkeypatch):
    words = ("-m", *SMALL, "seed=1", "hydra.sweep.dir=study")
    assert cnnlab(*words)[0] == 0
    monkeypatch.setattr("cnnlab.training.run.run", None)
    code, out, _ = cnnlab(*words)
    assert code == 0
    assert "job 1/1: finished before" in out


def test_a_study_held_by_another_process_is_left_alone(cnnlab, tmp_path):
    with FileLock(tmp_path / ".lock"):
        code, out, err = cnnlab("-m", *SMALL, "seed=1,2", f"hydra.sweep.dir={tmp_path}")
    assert (code, out) == (2, "")
    assert "another process runs a study there" in err


def test_a_study_keeps_no_password(tmp_path):
    words = ["hydra/sweeper=search", "hydra.sweeper.storage=postgresql://me:hunt/er2@host:5432/db?password=x"]
    keep_command(tmp_path, words)
    kept = yaml.safe_load((tmp_path / "overrides.yaml").read_text())
    assert kept == ["hydra/sweeper=search", "hydra.sweeper.storage=postgresql://host:5432/db"]


def test_an_experiment_varies_what_its_file_says_and_only_with_m(cnnlab, own_conf, tmp_path):
    text = (
        "# @package _global_\n# Mine.\nhydra: {sweeper: {params: {optimizer.lr: '0.01,0.1', seed: '1,2'}}}\n"
    )
    (own_conf / "experiment" / "mine.yaml").write_text(text)
    words = ("experiment=mine", *SMALL)
    assert cnnlab("-m", *words, "seed=3", "hydra.sweep.dir=study")[::2] == (0, "")
    assert sorted(folder.name for folder in (tmp_path / "study").glob("*_*")) == [
        "0_optimizer.lr=0.01",
        "1_optimizer.lr=0.1",
    ]
    assert {result["seed"] for result in results(tmp_path / "study").values()} == {3}
    told = yaml.safe_load((tmp_path / "study" / "overrides.yaml").read_text())
    assert told == ["experiment=mine", *SMALL, "seed=3", "hydra.sweep.dir=study"]
    assert cnnlab(*words, "hydra.run.dir=run")[::2] == (0, "")
    assert (tmp_path / "run" / "result.json").exists()


def test_another_command_in_the_same_folder_is_refused(cnnlab, tmp_path):
    study = ("-m", "data.size=8", "trainer=cpu", "logger=none", "hydra.sweep.dir=s", "trainer.max_epochs=1")
    assert cnnlab(*study, "model=linear", "seed=1,2")[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "s").glob("*.*") if path.is_file()}
    for words in (
        ["model=linear", "seed=2,3"],
        ["model=linear", "seed=1,2", "optimizer.lr=0.5"],
        ["model=mlp", "seed=1,2"],
    ):
        code, _, err = cnnlab(*study, *words)
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith("cnnlab: hydra.sweep.dir=s: ")
        assert "is of another command; the same one goes on" in err
    assert {path: path.read_bytes() for path in (tmp_path / "s").glob("*.*") if path.is_file()} == before


def test_more_values_go_on_with_a_study(cnnlab, tmp_path):
    study = ("-m", "data.size=8", "trainer=cpu", "logger=none", "hydra.sweep.dir=s", "trainer.max_epochs=1")
    assert cnnlab(*study, "model=linear", "optimizer.lr=0.1,0.2")[0] == 0
    prints = {run["weights_fingerprint"] for run in results(tmp_path / "s").values()}
    code, out, err = cnnlab(*study, "model=linear,mlp", "optimizer.lr=0.3,0.2,0.1")
    assert (code, err) == (0, "")
    assert out.count("finished before") == 2
    assert len(results(tmp_path / "s")) == 6
    assert prints < {run["weights_fingerprint"] for run in results(tmp_path / "s").values()}
    assert len((tmp_path / "s" / "study.csv").read_text().splitlines()) == 7
