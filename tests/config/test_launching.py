"""Files outside conf/hydra tell Hydra nothing: neither what to call nor where to write."""

import os

import pytest

from cnnlab.__main__ import main
from cnnlab.config.allowing import VARIABLE, allowing, of_the_user
from cnnlab.config.check import check
from cnnlab.config.launching import compose_job, launched
from cnnlab.errors import UserError

GIFTS = {
    "hydra.run.dir": "hydra: {run: {dir: elsewhere}}",
    "hydra.callbacks": "hydra: {callbacks: {gift: {_target_: os.system}}}",
    "hydra.launcher": "hydra: {launcher: {_target_: os.system}}",
    "hydra.job_logging.handlers.file.filename": "hydra: {job_logging: {handlers: {file: {filename: x}}}}",
    "hydra.job_logging.formatters.simple": "hydra: {job_logging: {formatters: {simple: {'()': os.system}}}}",
    "hydra.hydra_logging": "defaults: [{override /hydra/hydra_logging: disabled}]",
    "hydra.job.env_set": r'"\x68ydra": {job: {env_set: {PATH: elsewhere}}}',
    "hydra.output_subdir": "hydra: {output_subdir: ../elsewhere}",
}


def gift(own_conf, text):
    (own_conf / "experiment" / "gift.yaml").write_text(f"# @package _global_\n# A gift.\n{text}\n")


@pytest.mark.parametrize("key", GIFTS)
def test_a_strangers_experiment_tells_hydra_nothing(own_conf, key):
    gift(own_conf, GIFTS[key])
    with pytest.raises(UserError, match=f"^{key}") as refusal:
        compose_job(["experiment=gift"])
    assert "no file but those of conf/hydra may set it" in str(refusal.value)


def test_what_is_typed_may(own_conf):
    gift(own_conf, "seed: 3")
    cfg = compose_job(["experiment=gift", "hydra.run.dir=here", "hydra.job.name=mine"])
    assert cfg.seed == 3
    assert "hydra" not in cfg


def test_an_experiment_may_say_what_a_study_sweeps(own_conf):
    gift(own_conf, "hydra: {mode: MULTIRUN, sweeper: {params: {seed: '1,2'}}}")
    assert compose_job(["experiment=gift"]).seed == 0


SWEPT = {
    "+hydra.job.env_set.CNNLAB_ALLOW_TARGETS: timeit.timeit": "no file but those of conf/hydra may set it",
    "hydra: {job: {name: x}}": "allowed is a setting as it would be typed",
    "hydra/launcher: joblib": "no file but",
    '"+optimizer@hydra.launcher": adam': "no file but",
    "+callbacks.gift._target_: timeit.timeit": "what is called cannot be swept",
    'callbacks: "{gift:{_target_:timeit.timeit}}"': "what is called cannot be swept",
    "_target_: os.system": "what is called cannot be swept",
    "seed: ${now:%f}": "allowed is a setting as it would be typed",
    'seed: "1 +hydra.job.name=x"': "allowed is a setting as it would be typed",
}


@pytest.mark.parametrize("param", SWEPT)
def test_what_a_file_has_swept_tells_hydra_nothing_and_calls_nothing(own_conf, param):
    gift(own_conf, f"hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      {param}")
    with pytest.raises(UserError, match=SWEPT[param]) as refusal:
        launched(["experiment=gift"], multirun=False)
    assert str(refusal.value).startswith("hydra.sweeper.params.")


def test_the_jobs_that_a_file_sweeps_are_checked_as_if_typed(own_conf, tmp_path, capsys):
    gift(own_conf, "hydra: {mode: MULTIRUN, sweeper: {params: {optimizer.lr: '0.1,-1'}}}")
    assert main(["experiment=gift", "model=linear", "data.size=8", f"hydra.sweep.dir={tmp_path}/study"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("cnnlab: optimizer.lr=-1: allowed is a number (at least 0). (in the job ")
    assert not (tmp_path / "study").exists()


def test_what_is_allowed_to_be_called_is_read_once(monkeypatch):
    monkeypatch.setenv(VARIABLE, "mine.Net")
    with allowing(["--allow-target", "mine.Slow"]):
        os.environ[VARIABLE] = "os.system"  # as a job's environment could
        assert of_the_user() == ("mine.Net", "mine.Slow")


def test_a_config_does_not_read_the_environment(own_conf, monkeypatch):
    monkeypatch.setenv("SECRET", "hidden")
    gift(own_conf, "data: {root: '${oc.env:SECRET}'}")
    cfg = compose_job(["experiment=gift"])
    with pytest.raises(UserError, match=r"^data\.root: a config does not read the environment"):
        check(cfg)
