"""Files outside conf/hydra tell Hydra nothing: neither what to call nor where to write."""

import pytest

from cnnlab.config.check import check
from cnnlab.config.launching import compose_job
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


def test_a_config_does_not_read_the_environment(own_conf, monkeypatch):
    monkeypatch.setenv("SECRET", "hidden")
    gift(own_conf, "data: {root: '${oc.env:SECRET}'}")
    cfg = compose_job(["experiment=gift"])
    with pytest.raises(UserError, match=r"^data\.root: a config does not read the environment"):
        check(cfg)
