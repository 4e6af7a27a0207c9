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
        ("{a: [", "cannot be read"),
        ("\x00", "cannot be read"),
        ("seed: ${oc.env:HOME}", "interpolation"),
        (r'seed: "\x24{oc.env:HOME}"', "interpolation"),
        (r'"\x24{oc.env:HOME}": 0', "interpolation"),
        ("a: &a [x, x]\nb: [*a, *a]", "no aliases and no tags"),
        ("seed: !!python/object/apply:os.system [ls]", "no aliases and no tags"),
        ("seed: !!python/object/apply:pathlib.Path [x]", "no aliases and no tags"),
        ("seed: " + "[" * 20_000, "cannot be read"),
        ("seed: 0 # " + "x" * (1 << 20), "more than 1048576 bytes"),
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
