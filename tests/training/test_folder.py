import os
import shutil

import pytest
import yaml
from omegaconf import OmegaConf

from cnnlab.errors import UserError
from cnnlab.training.folder import RunFolder


def test_a_run_folder_gives_its_config_back(trained):
    result, folder = trained("one", "model=mlp", "model.hidden=[5]", "seed=4")
    place = RunFolder(folder)

    cfg = place.config()

    assert (cfg.model.hidden, cfg.seed, cfg.data.seed) == ([5], 4, 4)
    assert "hydra" not in cfg
    assert place.result()["test"] == result.test
    assert place.best.exists()
    assert place.last.exists()


def test_a_copied_config_trains_to_the_same_weights(trained, tmp_path):
    from cnnlab.training.run import run

    result, folder = trained("one", "model=mlp", "model.hidden=[5]")

    again = run(RunFolder(folder).config(), tmp_path / "again")

    assert again.weights_fingerprint == result.weights_fingerprint
    assert again.config_fingerprint == result.config_fingerprint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "not a run folder"),
        ("[1, 2]", "not the config of a run"),
        ("", "not the config of a run"),
        ("{a: [", "cannot be read"),
        ("\x00", "cannot be read"),
        ("seed: ${oc.env:HOME}", "interpolation"),
        (r'seed: "\x24{oc.env:HOME}"', "interpolation"),
        (r'"\x24{oc.env:HOME}": 0', "interpolation"),
        ("a: &a [x, x]\nb: [*a, *a]", "no aliases and no tags"),
        ("seed: !!python/object/apply:os.system [ls]", "no aliases and no tags"),
        ("seed: !!python/object/apply:pathlib.Path [x]", "no aliases and no tags"),
        ("seed: " + "[" * 9_000, "cannot be read"),
        ("seed: " + "[" * 20_000, "more values"),
        ("seed: 0 # " + "x" * (1 << 20), "more than 1048576 bytes"),
        ("seed: 0 # " + "x" * (1 << 16), "more than 65536 letters"),
        (f"seed: [{'1,' * 20_000}1]", "more values than any config"),
        ("seed: " + "9" * 5_000, "cannot be read"),
        ("seed: 1:" + "1:" * 3_000 + "1", "cannot be read"),
        ("3", "cannot be read"),
        ("? [1]\n: 2", "cannot be read"),
        ("seed: 0\nfoo: 1", "foo"),
    ],
)
def test_a_strangers_config_is_refused_in_a_sentence(tmp_path, text, words):
    if text is not None:
        (tmp_path / "config.yaml").write_text(text)

    with pytest.raises(UserError, match=words) as refusal:
        RunFolder(tmp_path).config()

    assert "\n" not in str(refusal.value)


def test_a_config_cannot_call_what_is_not_shipped(trained, tmp_path):
    _, folder = trained("one", "model=mlp")
    cfg = OmegaConf.load(folder / "config.yaml")
    cfg.model._target_ = "os.system"
    OmegaConf.save(cfg, tmp_path / "config.yaml")

    with pytest.raises(UserError, match=r"model\._target_=os\.system"):
        RunFolder(tmp_path).config()


def test_a_target_that_is_no_name_is_refused(trained, tmp_path):
    _, folder = trained("one", "model=mlp")
    cfg = OmegaConf.load(folder / "config.yaml")
    cfg.model._target_ = [1]
    OmegaConf.save(cfg, tmp_path / "config.yaml")

    with pytest.raises(UserError, match=r"model\._target_=\[1\]: it is not among the names"):
        RunFolder(tmp_path).config()


def test_the_config_is_plain_yaml_without_a_place_of_the_environment(trained):
    _, folder = trained("one", "model=mlp")
    plain = yaml.safe_load((folder / "config.yaml").read_text())

    assert plain["data"]["_target_"] == "cnnlab.data.digits.Digits"
    assert os.environ["HOME"] not in (folder / "config.yaml").read_text()


def test_a_new_run_does_not_destroy_another(trained, tmp_path):
    _, folder = trained("one", "model=mlp", "model.hidden=[5]")
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    with pytest.raises(UserError, match=r"there is a run in this folder already. `resume .*run` goes on"):
        RunFolder(run).make_room()
    (run / "result.json").unlink()  # one that was killed has its states
    with pytest.raises(UserError, match="already"):
        RunFolder(run).make_room()
    (run / "result.json").write_text('{"status": "failed", "config_fingerprint": "x"}')
    with pytest.raises(UserError, match="already"):
        RunFolder(run).make_room(again="y")
    RunFolder(run).make_room(again="x")
    assert sorted(path.name for path in run.iterdir() if path.is_dir()) == []


@pytest.mark.parametrize("name", ["config.yaml", "overrides.yaml", "result.json", "data.json", "metrics.csv"])
def test_a_pipe_in_a_run_folder_hangs_nobody(tmp_path, name):
    os.mkfifo(tmp_path / name)
    place = RunFolder(tmp_path)
    read = {
        "config.yaml": place.settings,
        "overrides.yaml": place.overrides,
        "result.json": place.result,
        "data.json": place.input_format,
        "metrics.csv": place.history,
    }[name]
    with pytest.raises(UserError, match="not a plain file"):
        read()


@pytest.mark.parametrize(
    "name",
    [
        *("cnnlab.log", "config.yaml", "result.json", ".lock", "metrics.csv", "search.db"),
        *("checkpoints", "checkpoints/last.ckpt", "tensorboard", "tensorboard/val/events", "figures"),
        *("figures/confusion.png", "0_seed=1"),
    ],
)
def test_nothing_is_written_where_a_part_of_the_folder_leads_elsewhere(tmp_path, name):
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = RunFolder(run)
    place.checkpoints.mkdir(parents=True)
    place.last.touch()
    place.require_plain()
    link = run / name
    link.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(link) if link.is_dir() else link.unlink(missing_ok=True)
    link.symlink_to(elsewhere)
    with pytest.raises(UserError, match=f"{link.name}: it is a link; nothing is written"), place.held():
        pass
    assert not list(elsewhere.iterdir())


def test_what_is_no_file_and_no_folder_is_not_written_to(tmp_path):
    os.mkfifo(tmp_path / "cnnlab.log")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        RunFolder(tmp_path).require_plain()
    (tmp_path / "cnnlab.log").unlink()
    (tmp_path / "cnnlab.log").mkdir()
    with pytest.raises(UserError, match="it is a folder"):
        RunFolder(tmp_path).require_plain()
