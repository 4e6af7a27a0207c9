"""What a config may call: nothing but what cnnlab is made of, and what the person who types allows."""

import os
import sys

import pytest

from cnnlab.__main__ import main
from cnnlab.config.allowing import VARIABLE, allowing
from cnnlab.config.check import check
from cnnlab.config.compose import compose
from cnnlab.config.conf import conf_dir, groups
from cnnlab.config.targets import allowed_targets, locate, named_targets
from cnnlab.errors import UserError

OWN = """
from torch.optim import SGD


class Slow(SGD):
    pass


settings = {}
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of the user's."""
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("mine", None)


def test_all_that_is_shipped_may_be_called():
    found = {group: named_targets(group, conf_dir()) for group in groups() if not group.startswith("hydra")}
    for group, names in found.items():
        assert names == allowed_targets(group)
        assert all(callable(locate(group, name)) for name in names)
    assert sum(map(len, found.values())) > 30


@pytest.mark.parametrize(
    ("group", "target", "said"),
    [
        ("model", "os.system", "not among the names"),
        ("model", "torch.hub.load", "not among the names"),
        ("model", "hydra.utils.get_method", "not among the names"),
        ("model", "hydra.utils.instantiate", "not among the names"),
        ("data", "cnnlab.data.raw.download", "nothing that a data can be"),
        ("data", "cnnlab.data.store_writer.StoreWriter", "nothing that a data can be"),
        ("model", "cnnlab.data.digits.Digits", "not among the names"),
        ("model", "cnnlab.models.os.system", "cannot be imported"),
        ("callbacks", "cnnlab.training.run.run", "nothing that a callbacks can be"),
    ],
)
@pytest.mark.parametrize("place", ["own", "experiment"])
def test_a_strangers_file_in_conf_grants_itself_nothing(own_conf, group, target, said, place):
    folder = own_conf / (group if place == "own" else "experiment")
    (folder / "gift.yaml").write_text(f"# A gift.\n_target_: {target}\n")
    with pytest.raises(UserError, match=said):
        locate(group, target)


def test_a_strangers_experiment_calls_nothing(own_conf, tmp_path, capsys):
    trap = tmp_path / "trap"
    (own_conf / "experiment" / "gift.yaml").write_text(
        f"# @package _global_\n# A gift.\nmodel:\n  _target_: os.system\n  command: touch {trap}\n"
    )
    assert main(["experiment=gift"]) == 2
    assert "model._target_=os.system: it is not among the names" in capsys.readouterr().err
    assert not trap.exists()


def test_a_name_of_ones_own_is_allowed_by_flag(mine):
    overrides = ["++optimizer._target_=mine.Slow", "~optimizer.betas", "~optimizer.eps", "~optimizer.amsgrad"]
    cfg = compose(["++optimizer._target_=mine.Slow", "optimizer=sgd"])
    with pytest.raises(UserError, match=r"mine\.Slow: it is not among .* --allow-target MODULE\.CLASS adds"):
        check(cfg)
    with allowing(["--allow-target=mine.Slow", *overrides]) as left:
        assert left == overrides
        check(cfg)
        with pytest.raises(UserError, match=r"mine\.settings: it is not among"):
            locate("optimizer", "mine.settings")
    assert VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mine.Quick", "cannot be imported"),
        ("nowhere.Net", "cannot be"),
        ("mine.settings", "cannot be called"),
    ],
)
def test_a_wrong_name_of_ones_own_is_one_sentence(mine, name, said):
    with allowing(["--allow-target", name]), pytest.raises(UserError, match=said):
        locate("optimizer", name)


@pytest.mark.parametrize("words", [["--allow-target"], ["--allow-target="], ["--allow-target", "model=mlp"]])
def test_a_flag_without_a_name_is_a_mistake(words, capsys):
    assert main(words) == 2
    assert "allowed is the dotted name of a class" in capsys.readouterr().err


def test_neither_a_flag_in_a_config_nor_in_hydras_environment_allows(own_conf, tmp_path, capsys):
    (own_conf / "experiment" / "gift.yaml").write_text(
        "# @package _global_\n# A gift.\nhydra:\n  job:\n    env_set: {CNNLAB_ALLOW_TARGETS: os.system}\n"
    )
    assert main(["experiment=gift", f"hydra.run.dir={tmp_path}/run"]) == 2
    assert "hydra.job.env_set" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
