import json
import shutil

import pytest
import yaml

WORDS = ("data.size=8", "model=linear", "trainer=cpu", "trainer.max_epochs=2", "logger=none")
STEADY = (*WORDS, "schedule=constant", "callbacks=early_stopping")


@pytest.fixture
def run(cnnlab, tmp_path):
    """A finished run of two epochs."""
    assert cnnlab(*STEADY, "hydra.run.dir=run")[0] == 0
    return tmp_path / "run"


def epochs(run):
    return json.loads((run / "result.json").read_text())["epochs"]


def test_a_finished_run_says_so_and_trains_longer_where_it_is_told_to(cnnlab, run):
    before = (run / "result.json").read_bytes()
    code, out, _ = cnnlab("resume", "run")
    assert (code, out) == (0, "run: the run is finished, after 2 epochs.\n")
    assert (run / "result.json").read_bytes() == before

    code, out, err = cnnlab("resume", "run", "trainer.max_epochs=3", "callbacks.checkpoint.every_seconds=5")
    assert (code, err) == (0, "")
    assert out.startswith("run: goes on from run/checkpoints/last.ckpt: epoch 2, step 82\n")
    assert epochs(run) == 3
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["max_epochs"] == 3
    told = yaml.safe_load((run / "overrides.yaml").read_text())
    assert [word for word in told if "max_epochs" in word] == ["trainer.max_epochs=3"]
    log = (run / "cnnlab.log").read_text()
    assert log.index("finished: 2 epochs") < log.index("resumed: ") < log.index("finished: 3 epochs")


def test_without_a_checkpoint_it_begins_anew(cnnlab, run):
    shutil.rmtree(run / "checkpoints")
    (run / "result.json").unlink()
    code, out, _ = cnnlab("resume", "run")
    assert code == 0
    assert "there is no checkpoint, so it begins anew" in out
    assert epochs(run) == 2


def test_a_damaged_state_that_has_no_other_is_a_mistake(cnnlab, run):
    (run / "result.json").unlink()
    (run / "checkpoints" / "last.ckpt").write_bytes(b"rubbish")
    code, _, err = cnnlab("resume", "run")
    assert code == 2
    assert err.startswith("cnnlab: run/checkpoints/last.ckpt: not a checkpoint")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "resume: which run?"),
        (["trainer.max_epochs=3"], "resume: which run?"),
        (["nowhere"], "nowhere: not a run folder"),
        (["run", "model.l2=0.1"], "resume: model.l2 cannot change"),
        (["run", "data=mnist"], "resume: data cannot change"),
        (["run", "data.batch_size=7"], "resume: data.batch_size cannot change"),
        (["run", "seed=1"], "resume: seed cannot change"),
        (["run", "optimizer.lr=0.1"], "resume: optimizer.lr cannot change"),
        (["run", "trainer.max_epoch=3"], "did you mean trainer.max_epochs?"),
        (["run", "trainer.max_epochs=many"], "trainer.max_epochs=many: allowed is a whole number"),
        (["run", "trainer.max_epochs=1"], "trainer.max_epochs=1: the run is in epoch 2"),
        (["run", "trainer.max_epochs=3,4"], "with one value"),
        (["run", "nonsense"], "nonsense: it cannot be read"),
        (["run", "~trainer.max_epochs"], "~trainer.max_epochs: a change is written"),
    ],
)
def test_what_is_refused_is_one_sentence_and_changes_nothing(cnnlab, tmp_path, words, said):
    run = tmp_path / "run"
    # What a run of two epochs leaves, as far as these are concerned.
    (run / "checkpoints").mkdir(parents=True)
    from cnnlab.config.compose import compose
    from cnnlab.training.folder import RunFolder

    RunFolder(run).write_config(compose(STEADY), STEADY)
    if "trainer.max_epochs=1" in words:
        cnnlab(*STEADY, "hydra.run.dir=run")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    code, out, err = cnnlab("resume", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_a_schedule_that_knows_its_end_is_not_bent(cnnlab, tmp_path, schedule):
    from cnnlab.config.compose import compose
    from cnnlab.training.folder import RunFolder

    RunFolder(tmp_path / "run").write_config(compose([*WORDS, f"schedule={schedule}"]), [])
    code, _, err = cnnlab("resume", "run", "trainer.max_epochs=3")
    assert code == 2
    assert f"trainer.max_epochs cannot change under schedule={schedule}" in err


def test_a_run_folder_that_leads_elsewhere_is_not_written_into(cnnlab, run, tmp_path):
    elsewhere, mine = tmp_path / "elsewhere", tmp_path / "elsewhere" / "events.out.tfevents.1"
    elsewhere.mkdir()
    mine.write_text("precious")
    targets = {
        "cnnlab.log": mine,
        "checkpoints/last.ckpt": mine,
        "figures": elsewhere,
        "tensorboard": elsewhere,
    }
    for name, target in targets.items():
        link, aside = run / name, tmp_path / "aside"
        if there := link.exists():
            link.rename(aside)
        link.symlink_to(target)
        for words in (
            ("resume", "run", "trainer.max_epochs=3"),
            ("figures", "run"),
            ("explain", "run", "--test", "0"),
            ("report", "run"),
            (*STEADY, "hydra.run.dir=run"),
        ):
            code, _, err = cnnlab(*words)
            assert (code, err.count("\n")) == (2, 1)
            assert f"{link.name}: it is" in err
        link.unlink()
        if there:
            aside.rename(link)
    assert [path.name for path in elsewhere.iterdir()] == [mine.name]
    assert mine.read_text() == "precious"
