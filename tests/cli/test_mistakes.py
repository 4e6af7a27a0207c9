import pytest

STORED = (
    (["data=digits"], "data.store"),
    (["data", "prepare", "digits"], "data.store"),
    (["data", "list"], "data.store"),
    (["data=cifar10"], "data.root"),
    (["data=image_folder"], "data.path"),
)
SMALL = ("data.size=8", "model=linear", "trainer.max_epochs=1", "logger=none")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "trian: there is no such verb; did you mean train?"),
        (["model=mlp", "describe"], "describe: a verb is typed once, as the first word."),
        (["--mutlirun"], "--mutlirun: there is no such flag; did you mean --multirun?"),
        (["--cfg", "jobb"], "invalid choice: 'jobb'"),
        (["--config-dir=/tmp"], "--config-dir: cnnlab reads its own conf/ only."),
        (["--experimental-rerun", "x"], "--experimental-rerun: cnnlab reads its own conf/ only."),
        (["--cfg", "job", "-m"], "--cfg"),
        (["--cfg", "job", "job"], "job: it cannot be read"),
        (["model.lrr=3"], "model.lrr: model has no key lrr"),
        (["trainer.max_epochs=abc"], "trainer.max_epochs=abc: allowed is"),
        (["model.kernel_size=[3]"], "model.kernel_size"),
        (["data.batch_size=0"], "data.batch_size=0"),
        (["model=mlp", "model.dropout=1.5"], "1.5"),
        (["data.size=8"], "too small"),
        (["optimizer=sgd_nesterov", "optimizer.momentum=0"], "optimizer: Nesterov momentum requires"),
        (["trainer.max_time=soon"], "trainer: "),
        (["hydra.run.dir=${foo}"], "'foo' not found"),
        (["data=xor", "data.fold=1"], "data.fold=1: there is no cross-validation; data.folds=5 makes"),
        (["-m", "data=pima", "model=mlp", "data.fold=0,1"], "data.fold=1: there is no cross-validation"),
        (["-m", "seed=range(0,0)"], "seed=range(0,0): there is no value in it, so nothing is varied."),
        (["-m", "optimizer.lr=interval(0.1,1)"], "add hydra/sweeper=search, or list values"),
        (["schedule=plateau", "trainer.check_val_every_n_epoch=2"], "trainer.check_val_every_n_epoch=2: "),
        (["trainer.max_epochs=-1"], "trainer.max_epochs=-1: OneCycle needs an end; say"),
        (["trainer.max_time=00:00:00:00"], "nothing would be trained"),
        (["+trainer.enable_checkpointing=false"], "trainer.enable_checkpointing: cnnlab sets this itself."),
        *(
            ([*words, f"{key}={place}"], f"cnnlab: {key}={place[:60]}")
            for words, key in STORED
            for place in ("/dev/null/x", __file__, "x" * 300)
        ),
        (["describe", "--cfg", "job"], "--cfg: there is no such flag here"),
        (["describe", "data=image_folder"], "data.path: needs a value"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(cnnlab, tmp_path, words, said):
    code, out, err = cnnlab(*words)
    assert code == 2
    assert out == ""
    assert err.startswith("cnnlab: ")
    assert err.count("\n") == 1
    assert said in err
    assert not list(tmp_path.iterdir())


def test_more_batches_between_validations_than_there_are_is_a_mistake(cnnlab):
    words = ("data=xor", "model=linear", "trainer=cpu", "logger=none", "+trainer.val_check_interval=9")
    code, _, err = cnnlab(*words)
    assert code == 2
    assert err.startswith(
        "cnnlab: trainer.val_check_interval=9: an epoch has 1 batches; allowed is at most that"
    )
    assert err.count("\n") == 1


def test_a_gpu_that_is_not_there_is_a_mistake(cnnlab, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    code, _, err = cnnlab("trainer=gpu", *SMALL)
    assert code == 2
    assert err.startswith("cnnlab: trainer: ")
    assert not list(tmp_path.iterdir())


def test_a_run_folder_that_cannot_be_made_is_a_mistake(cnnlab, tmp_path):
    (tmp_path / "taken").touch()
    code, _, err = cnnlab(*SMALL, "hydra.run.dir=taken")
    assert code == 2
    assert "taken: the folder cannot be made" in err
