"""Files outside conf/hydra tell Hydra nothing: neither what to call nor where to write."""

import os

import pytest

from cnnlab.__main__ import main
from cnnlab.config.allowing import VARIABLE, allowing, of_the_user
from cnnlab.config.check import check
from cnnlab.config.compose import expand
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


def swept(typed):
    return launched(typed, multirun=True).overrides


def test_the_kernel_sweep_is_two_networks_with_eight_sizes_each():
    jobs = expand(swept(["experiment=cifar10_kernel_sweep", "trainer.max_epochs=1"]))
    assert len(jobs) == 16
    assert jobs[0] == [
        "model=shallow_cnn",
        "model.kernel_size=2",
        "experiment=cifar10_kernel_sweep",
        "trainer.max_epochs=1",
    ]


def test_the_grid_of_the_planes_is_what_the_source_tried():
    jobs = expand(swept(["experiment=planes_grid"]))
    assert len({tuple(job) for job in jobs}) == len(jobs) == 2 * 20 * 3 * 2


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        (["model.kernel_size=3"], 2),
        (["model.kernel_size=3,5", "model=deep_cnn"], 2),
        (["seed=0,1,2"], 48),
        (["++model.kernel_size=4,5"], 4),
    ],
)
def test_what_is_typed_takes_the_place_of_the_grids_values(typed, number):
    words = swept([*typed, "experiment=cifar10_kernel_sweep"])
    assert len(expand(words)) == number
    assert set(typed) < set(words)


def test_a_search_chooses_among_the_grid_too():
    words = ["hydra/sweeper=search", "experiment=planes_grid", "model.hidden=choice([16],[64,128])"]
    assert [word.partition("=")[0] for word in swept(words)] == [
        "data.augment.horizontal_flip",
        "model.dropout",
        "model.activation",
        "hydra/sweeper",
        "experiment",
        "model.hidden",
    ]


def test_an_experiment_with_a_grid_goes_with_no_other():
    with pytest.raises(UserError, match="cifar10_kernel_sweep sweeps something itself"):
        swept(["experiment=xor,cifar10_kernel_sweep"])
    assert swept(["experiment=xor,pima"]) == ["experiment=xor,pima"]


def test_without_m_it_is_one_run():
    launch = launched(["experiment=planes_grid"], multirun=False)
    assert (launch.multirun, launch.overrides) == (False, ["experiment=planes_grid"])


def test_a_setting_of_what_a_study_chooses_is_told_how_to_be_typed():
    with pytest.raises(
        UserError, match=r"^model\.hidden=\[5\]: it is read before model=mlp,linear is chosen; "
    ):
        launched(["model=mlp,linear", "model.hidden=[5]"], multirun=True)
    assert launched(["model=mlp,linear", "++model.hidden=[5]"], multirun=True).multirun
