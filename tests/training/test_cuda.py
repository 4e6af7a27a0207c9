"""What only a CUDA device can show; passed over where there is none."""

import pytest
import torch

from cnnlab.config.compose import compose
from cnnlab.training.run import build, run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
CONV = ["data=digits", "model=convnet", "logger=none", "trainer=gpu", "trainer.max_epochs=3"]


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed", "32-true"])
def test_every_precision_learns_on_the_device(tmp_path, precision):
    result = run(compose([*CONV, f"trainer.precision={precision}", "data.augment.shift=0.1"]), tmp_path)
    assert (result.device, result.precision) == ("cuda:0", precision)
    assert result.test["accuracy"] > 0.85


def test_the_batches_of_the_device_are_those_of_the_processor():
    data, _ = build(compose(["data=digits", "data.augment.shift=0.1", "data.augment.horizontal_flip=true"]))
    data.prepare_data()
    data.setup()
    here = next(iter(data.train_dataloader()))
    data.samples("train", "cuda")
    there = next(iter(data.train_dataloader()))
    assert there[0].device.type == "cuda"
    for ours, theirs in zip(here, there, strict=True):
        assert torch.equal(ours, theirs.cpu())
