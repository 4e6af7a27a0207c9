import pytest
import torch
from torch import nn

from cnnlab.errors import UserError
from cnnlab.training.checkpoints import AtomicCheckpointIO, load_weights


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        AtomicCheckpointIO().save_checkpoint({"step": lambda: None}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("content", [b"", b"rubbish", "other", "truncated"])
def test_what_is_no_checkpoint_of_the_network_is_refused(tmp_path, content):
    path = tmp_path / "best.ckpt"
    other = {"state_dict": nn.Linear(3, 4).state_dict()}
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(other, path)
        if content == "truncated":
            path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"best\.ckpt: not a checkpoint"):
        load_weights(nn.Linear(1, 1), path)
