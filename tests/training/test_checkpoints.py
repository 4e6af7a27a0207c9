import errno
import os

import pytest
import torch
from torch import nn

from cnnlab.errors import TrainingError, UserError
from cnnlab.training.checkpoint_files import AtomicCheckpointIO, load_weights


def state(number, size=1000):
    return {"epoch": 0, "state_dict": {"weight": torch.full((size,), float(number))}}


def weight_in(path):
    return torch.load(path, weights_only=True)["state_dict"]["weight"][0].item()


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


def test_the_state_before_the_last_is_kept(tmp_path):
    for number in range(3):
        AtomicCheckpointIO().save_checkpoint(state(number), tmp_path / "last.ckpt")
        AtomicCheckpointIO().save_checkpoint(state(number), tmp_path / "best.ckpt")
    assert {path.name: weight_in(path) for path in tmp_path.iterdir()} == {
        "last.ckpt": 2,
        "previous.ckpt": 1,
        "best.ckpt": 2,
    }


def test_a_flipped_bit_is_seen_which_torch_does_not(tmp_path):
    path = tmp_path / "best.ckpt"
    torch.save({"epoch": 0, "state_dict": nn.Linear(1000, 1).state_dict()}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    torch.load(path, weights_only=True)
    with pytest.raises(UserError, match=r"best\.ckpt: not a checkpoint that can be read"):
        load_weights(nn.Linear(1000, 1), path)


def test_a_full_disk_leaves_the_last_good_state(small_disk):
    path = small_disk / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(state(1, 50_000), path)
    with pytest.raises(TrainingError, match=r"No space left on device.*the one before it is intact"):
        AtomicCheckpointIO().save_checkpoint(state(2, 500_000), path)
    assert [file.name for file in small_disk.iterdir()] == ["last.ckpt"]
    assert weight_in(path) == 1


def test_what_is_not_yet_on_the_disk_takes_no_place(tmp_path, monkeypatch):
    for number in range(2):
        AtomicCheckpointIO().save_checkpoint(state(number), tmp_path / "last.ckpt")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)  # some file systems find room only then
    with pytest.raises(TrainingError, match=r"No space left on device.*the one before it is intact"):
        AtomicCheckpointIO().save_checkpoint(state(2), tmp_path / "last.ckpt")
    assert {path.name: weight_in(path) for path in tmp_path.iterdir()} == {"last.ckpt": 1, "previous.ckpt": 0}


def test_a_temporary_folder_on_another_disk_plays_no_part(small_disk, tmp_path, monkeypatch):
    assert os.stat(small_disk).st_dev != os.stat(tmp_path).st_dev
    monkeypatch.setenv("TMPDIR", str(small_disk))
    # Two megabytes, which that disk does not hold.
    AtomicCheckpointIO().save_checkpoint(state(1, 500_000), tmp_path / "last.ckpt")
    assert weight_in(tmp_path / "last.ckpt") == 1
    assert not list(small_disk.iterdir())
