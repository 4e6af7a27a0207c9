import shutil

import h5py
import numpy as np
import pytest
import torch
import yaml

from cnnlab.config.compose import compose
from cnnlab.errors import UserError
from cnnlab.training.restored import restore, restore_network
from cnnlab.training.run import run

WORDS = ["data=digits", "data.size=8", "model=mlp", "logger=none", "trainer=cpu"]


@pytest.mark.parametrize("callbacks", ["default", "last"])
def test_a_restored_network_says_what_the_run_said(tmp_path, callbacks):
    run(compose([*WORDS, f"callbacks={callbacks}", "trainer.max_epochs=3"]), tmp_path / "run")
    data, model = restore(tmp_path / "run")
    data.prepare_data()
    data.setup()
    with torch.inference_mode():
        logits = torch.cat([model(inputs) for inputs, _ in data.test_dataloader()])
    with h5py.File(tmp_path / "run" / "predictions.h5") as file:
        np.testing.assert_allclose(model.objective.outputs_for_users(logits), file["outputs"][()], atol=1e-6)


def test_a_folder_without_weights_or_config_is_told(tmp_path):
    with pytest.raises(UserError, match=r"not a run folder, it has no config\.yaml"):
        restore(tmp_path)
    run(compose([*WORDS, "trainer.max_epochs=1"]), tmp_path / "run")
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"kept no weights, there is no checkpoints.last\.ckpt"):
        restore(tmp_path / "run")


def test_a_config_that_asks_for_more_memory_than_there_is_is_no_network_of_its_weights(trained, tmp_path):
    _, folder = trained("one", "model=mlp", "model.hidden=[5]")
    shutil.copytree(folder, tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    cfg = yaml.safe_load(config.read_text())
    cfg["model"]["hidden"] = [10_000_000, 1_000_000]
    config.write_text(yaml.safe_dump(cfg))
    for restored in (restore, restore_network):
        with pytest.raises(UserError, match=r"best\.ckpt: not the weights of its network"):
            restored(tmp_path / "run")
