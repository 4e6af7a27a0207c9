import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from cnnlab.config.compose import compose, conf_dir, expand, groups
from cnnlab.errors import UserError


def refusal(*overrides):
    with pytest.raises(UserError) as refused:
        compose(overrides)
    return str(refused.value)


def test_without_overrides_it_is_the_main_job():
    cfg = compose([])
    assert cfg.data._target_ == "cnnlab.data.digits.Digits"
    assert cfg.model._target_ == "cnnlab.models.convnet.ConvNetModule"
    assert cfg.seed == cfg.data.seed == 0
    assert "hydra" not in cfg


def test_the_seed_reaches_the_data():
    assert compose(["seed=7"]).data.seed == 7


def test_an_experiment_is_overridden_by_what_is_typed():
    cfg = compose(["experiment=fashion_2_blocks", "trainer.max_epochs=3"])
    assert (cfg.data.batch_size, cfg.trainer.max_epochs) == (50, 3)


def test_hydras_node_comes_only_when_asked_for():
    cfg = compose(["hydra.run.dir=here"], with_hydra=True)
    assert cfg.hydra.run.dir == "here"


def test_composing_leaves_nothing_of_hydra_behind():
    compose([])
    assert not GlobalHydra.instance().is_initialized()


def test_groups_lack_the_shared_parts():
    assert "vgg_like" in groups()["model"]
    assert not [option for options in groups().values() for option in options if option.startswith("_")]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model=vgg_lke", ["model=vgg_lke: there is no such model; did you mean vgg_like?", "deep_cnn"]),
        ("model=", ["model=: there is no such model.", "deep_cnn"]),
        ("model=3", ["model=3: allowed are", "deep_cnn"]),
        ("logger=null", ["logger=null: allowed are none, tensorboard."]),
        ("optimiser=adam", ["optimiser: ", "did you mean optimizer?"]),
        ("model.lrr=3", ["model.lrr: model has no key lrr", "kernel_size"]),
        ("model.kernal_size=3", ["model.kernal_size: ", "did you mean kernel_size?"]),
        ("data.augment.horisontal_flip=true", ["data.augment has no key", "did you mean horizontal_flip?"]),
        ("model.kernel_size.x=3", ["model.kernel_size.x: model.kernel_size is a single value"]),
        ("trainer.min_epochs=3", ["trainer has no key min_epochs", "+trainer.min_epochs=..."]),
        ("hydra.run.dri=x", ["hydra.run.dri: hydra.run has no key dri; did you mean dir?"]),
        ("hydra/launcher=nowhere", ["hydra/launcher=nowhere: there is no such", "basic"]),
        ("+seed=3", ["seed: it is there already; leave out the +."]),
        ("+model=mlp", ["model: it is chosen more than once"]),
        ("~model=mlp", ["~model=mlp: mlp is not what is chosen."]),
        ("~model.foo", ["model.foo: model has no key foo"]),
        ("model.kernel_size=[3,3", ["model.kernel_size=[3,3: it cannot be read", "key=value"]),
        ("data.root=日本", ["data.root=日本: it cannot be read", "'data.root=\"...\"'"]),
        ("--fast", ["--fast: there is no such flag"]),
        ("=3", ["=3: the name before the = is missing"]),
        ("seed=1,2", ["seed=1,2: several values make a study and need -m"]),
        ("seed=range(3)", ["seed=range(3): several values make a study and need -m"]),
        ("model=${foo}", ["${foo}"]),
    ],
)
def test_a_mistake_is_one_sentence(override, said):
    sentence = refusal(override)
    assert all(part in sentence for part in said), sentence
    assert "\n" not in sentence


def test_a_wrong_key_is_found_among_those_of_the_chosen_option():
    assert "There are preprocess" in (said := refusal("model=mlp", "model.kernel_size=3"))
    assert "hidden" in said
    assert "pool_size" not in said


def test_two_mistakes_are_still_a_sentence():
    assert "model=nope" in refusal("model=nope", "data.foo=3")


def test_a_text_in_quotes_may_hold_anything():
    assert compose(['data.root="日本, (x) = y"']).data.root == "日本, (x) = y"


def test_a_sweep_is_every_combination_in_order():
    assert expand(["model=mlp,linear", "seed=range(2)", "data=digits"]) == [
        [f"model={model}", f"seed={seed}", "data=digits"] for model in ("mlp", "linear") for seed in (0, 1)
    ]


def test_a_list_is_no_sweep():
    assert expand(["model.hidden=[5,5]"]) == [["model.hidden=[5,5]"]]


def test_a_sweep_that_cannot_be_read_is_refused():
    with pytest.raises(UserError, match=r"seed=1,\[2: it cannot be read"):
        expand(["seed=1,[2"])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed=range(0,0)", "seed=range(0,0): there is no value in it, so nothing is varied."),
        ("seed=range(3,1)", "seed=range(3,1): there is no value in it"),
        (
            "optimizer.lr=interval(0.1,1)",
            "an interval is for a search; add hydra/sweeper=search, or list values",
        ),
        ("optimizer.lr=tag(log,interval(0.1,1))", "add hydra/sweeper=search"),
    ],
)
def test_a_sweep_without_values_is_refused(override, said):
    with pytest.raises(UserError) as refused:
        expand(["model=mlp", override])
    assert str(refused.value).startswith(override)
    assert said in str(refused.value)


def test_a_wrong_default_inside_a_file_names_the_file(own_conf):
    file = own_conf / "model" / "mlp.yaml"
    file.write_text(file.read_text().replace("- _mlp", "- _mpl"))
    assert f"{file}: its defaults name model/_mpl" in refusal("model=mlp")


def test_broken_yaml_names_file_and_line(own_conf):
    file = own_conf / "model" / "mlp.yaml"
    file.write_text("hidden: [5\ndropout: 0\n")
    said = refusal("model=mlp")
    assert str(file) in said
    assert "line 2" in said


def test_a_job_of_hydras_can_compose_and_goes_on():
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        running = GlobalHydra.instance().hydra
        assert compose(["seed=7"]).seed == 7
        assert GlobalHydra.instance().hydra is running
