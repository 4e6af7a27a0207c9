from typing import Annotated

import pytest
from pydantic import Field

from cnnlab.config.check import check
from cnnlab.config.compose import compose
from cnnlab.data.augment import Augment
from cnnlab.errors import UserError


def refusal(*overrides):
    cfg = compose(overrides)
    with pytest.raises(UserError) as refused:
        check(cfg)
    return str(refused.value)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["+trainer.min_epochs=3"],
        ["+optimizer.amsgrad=true"],
        ["model.kernel_size=[3,3,3,3,3,3,3]"],
        ["data.augment.shift=[0.1,3]"],
        [
            "trainer.max_epochs=-1",
            "trainer.devices=auto",
            "trainer.max_time=00:01:00:00",
            "schedule=time_decay",
        ],
        ["trainer.max_epochs=-1", "trainer.max_steps=9"],
        ["~trainer.max_epochs"],
        ["trainer.max_time={minutes:1,seconds:-30}"],
        ["+trainer.min_epochs=14", "trainer.max_steps=9", "+trainer.min_steps=9"],
        ["+trainer.fast_dev_run=false"],
        ["schedule=plateau", "schedule.monitor=train/loss", "trainer.check_val_every_n_epoch=2"],
        ["trainer.check_val_every_n_epoch=2"],
        ["trainer.limit_train_batches=0.5", "trainer.limit_val_batches=3"],
        ["callbacks.checkpoint.monitor=train/loss", "callbacks.checkpoint.mode=min"],
        ["callbacks=early_stopping", "callbacks.early_stopping=null"],
        ["optimizer.lr=1"],
        ["data=image_folder", "data.path=here"],
        ["data=cifar10", "data.classes=[cat,dog]"],
        ["~model.kernel_size"],
        ["logger=none"],
    ],
)
def test_what_is_right_passes(overrides):
    check(compose(overrides))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+model.lrr=3", "model.lrr: ConvNetModule has no such argument."),
        (
            "++model.kernal_size=3",
            "model.kernal_size: ConvNetModule has no such argument; did you mean kernel",
        ),
        ("+data.augment.flip=true", "data.augment.flip: Augment has no such argument"),
        ("+modle=mlp", "modle: the config has no such key; did you mean model?"),
        ("trainer.max_epochs=abc", "trainer.max_epochs=abc: allowed is a whole number (at least 1) or -1."),
        ("trainer.max_epochs=0", "trainer.max_epochs=0: "),
        ("trainer.max_epochs=1.5", "trainer.max_epochs=1.5: "),
        ("trainer.max_epochs=true", "trainer.max_epochs=true: "),
        ("trainer.precision=17-mixed", "allowed is one of auto, 32-true, bf16-mixed, 16-mixed; did you mean"),
        ("trainer.accelerator=gpuu", "; did you mean gpu?"),
        ("trainer.devices=0", "trainer.devices=0: "),
        ("trainer.limit_val_batches=0", "trainer.limit_val_batches=0: "),
        ("trainer.check_val_every_n_epoch=0", "trainer.check_val_every_n_epoch=0: "),
        ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches=0: "),
        ("trainer.gradient_clip_val=-1", "trainer.gradient_clip_val=-1: "),
        ("model.kernel_size=", "model.kernel_size=: allowed is a whole number"),
        ("model.kernel_size='3'", 'model.kernel_size="3": allowed is a whole number'),
        ("model.kernel_size=[3,a]", "model.kernel_size=[3,a]: allowed is a whole number"),
        ("model.activation=rellu", "; did you mean relu?"),
        ("model.preprocess=scale", "model.preprocess=scale: allowed is auto or a list (each one of scale, "),
        ("model.features=???", "model.features: needs a value; say model.features=..."),
        ("model.l2_dense=nan", "model.l2_dense=NaN: allowed is a number"),
        ("optimizer.lr=-0.1", "optimizer.lr=-0.1: allowed is a number (at least 0)."),
        ("optimizer.lr=null", "optimizer.lr=null: allowed is a number (at least 0)."),
        ("optimizer.betas=[0.9,2]", "optimizer.betas=[0.9,2]: allowed is a list of 2"),
        ("optimizer.weight_decay=-1", "optimizer.weight_decay=-1: "),
        ("seed=-1", "seed=-1: allowed is a whole number (at least 0 and below 4,294,967,296)."),
        ("seed=null", "seed=null: "),
        ("seed=99999999999999999999", "seed=99999999999999999999: "),
        ("data.batch_size=1.5", "data.batch_size=1.5: allowed is a whole number"),
        ("data.augment=3", "data.augment=3: allowed are settings"),
        ("data.augment=null", "data.augment=null: allowed are settings"),
        (
            "callbacks.checkpoint.monitor=val/acuracy",
            "allowed is one of val/accuracy, val/loss, val/mae, train/accuracy",
        ),
        ("callbacks.checkpoint.mode=maxi", "callbacks.checkpoint.mode=maxi: allowed is one of min, max"),
        ("callbacks.checkpoint=null", "callbacks.checkpoint: it cannot be left out."),
        ("~optimizer._partial_", "optimizer._partial_: it cannot be left out."),
        ("~model", "model: none is chosen; say model=..."),
        ("~schedule", "schedule: none is chosen; say schedule=..."),
        ("+callbacks.foo=3", "callbacks.foo=3: allowed are settings with a _target_"),
        ("+trainer.logger=true", "trainer.logger: cnnlab sets this itself."),
        ("+trainer.enable_checkpointing=false", "trainer.enable_checkpointing: cnnlab sets this itself."),
        ("+trainer.reload_dataloaders_every_n_epochs=1", "cnnlab sets this itself."),
        ("trainer.max_time=00:00:00:00", "trainer.max_time=00:00:00:00: nothing would be trained; allowed"),
        ("trainer.max_time={minutes:-1}", "trainer.max_time={minutes:-1}: nothing would be trained; allowed"),
        (
            "+trainer.min_epochs=15",
            "trainer.min_epochs=15: the training ends at trainer.max_epochs=14; allowed",
        ),
        ("+trainer.fast_dev_run=2", "trainer.fast_dev_run: it would leave neither curves nor a checkpoint;"),
        ("trainer.max_epochs=-1", "trainer.max_epochs=-1: OneCycle needs an end; say"),
        ("+callbacks.checkpoint.dirpath=/tmp", "callbacks.checkpoint.dirpath: cnnlab sets this itself."),
        ("data.seed=${foo}", "data.seed: "),
        ("model.kernel_size=${oc.env:CNNLAB_NOT_SET}", "model.kernel_size: "),
    ],
)
def test_a_mistake_is_one_sentence_with_the_key_first(override, said):
    sentence = refusal(override)
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.startswith(override.lstrip("+~").partition("=")[0])


def test_a_schedule_looks_at_what_is_measured_in_each_epoch():
    said = refusal("schedule=plateau", "trainer.check_val_every_n_epoch=2")
    assert said == refusal("schedule=plateau", "~schedule.monitor", "trainer.check_val_every_n_epoch=2")
    assert said.startswith(
        "trainer.check_val_every_n_epoch=2: the schedule looks at val/loss after each epoch;"
    )


def test_a_range_in_a_signature_holds(monkeypatch):
    turned = Annotated[float, Field(ge=0, le=180)]
    monkeypatch.setitem(Augment.__init__.__annotations__, "rotation", turned)
    check(compose(["data.augment.rotation=180"]))
    said = refusal("data.augment.rotation=181")
    assert said == "data.augment.rotation=181: allowed is a number (at least 0 and at most 180)."


def test_nothing_is_chosen_by_the_test_set():
    said = refusal("data.watch_test=true", "callbacks.checkpoint.monitor=watched_test/accuracy")
    assert "callbacks.checkpoint.monitor=watched_test/accuracy: allowed is" in said


def test_an_image_folder_needs_its_path():
    assert refusal("data=image_folder") == "data.path: needs a value; say data.path=..."


@pytest.mark.parametrize(
    "override",
    [
        "++model._target_=os.system",
        "++model._target_=pytorch_lightning.Trainer",
        "++model._target_=3",
        "++data.augment._target_=builtins.eval",
        "++optimizer._target_=cnnlab.models.mlp.MLPModule",
        "+callbacks.foo._target_=builtins.eval",
        "++model._args_=[1,2]",
        "++model._partial_=true",
        "++model._recursive_=false",
        "++optimizer._partial_=false",
        "~model._target_",
        "~data.augment._target_",
    ],
)
def test_only_what_conf_names_can_be_called(override):
    assert refusal(override).startswith(override.lstrip("+~").partition(".")[0])


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("{_target_:builtins.eval}", ""),
        ("[{_target_:builtins.eval}]", "[0]"),
        ("[1,{deep:{_target_:builtins.eval}}]", "[1].deep"),
    ],
)
def test_nothing_inside_a_plain_value_can_be_called(value, place):
    assert refusal(f"+trainer.profiler={value}") == (
        f"trainer.profiler{place}._target_: nothing can be called here."
    )


def test_a_typo_inside_a_file_is_found(own_conf):
    file = own_conf / "model" / "_mlp.yaml"
    file.write_text(file.read_text().replace("dropout: 0.0", "droput: 0.0"))
    assert refusal("model=linear") == "model.droput: MLPModule has no such argument; did you mean dropout?"


def test_a_wrong_value_inside_a_file_is_found(own_conf):
    file = own_conf / "data" / "_images.yaml"
    file.write_text(file.read_text().replace("verify: true", "verify: yess"))
    assert refusal() == "data.verify=yess: allowed is true or false."


def test_a_target_that_needs_an_argument_says_so(own_conf):
    (own_conf / "data" / "_images.yaml").write_text("seed: 0\n")
    (own_conf / "data" / "image_folder.yaml").write_text(
        "defaults: [_images, _self_]\n_target_: cnnlab.data.folder.ImageFolder\n"
    )
    assert refusal("data=image_folder").startswith("data.path: ImageFolder needs a value for it")
