"""Several runs at the same time, as processes."""

import json
import os
import shutil
import subprocess
import sys

import torch

SMALL = ("data.size=8", "model=linear", "trainer=cpu", "trainer.max_epochs=2", "logger=none")


def started(folder, *words):
    names = {name: value for name, value in os.environ.items() if name != "CNNLAB_DATA"}
    return subprocess.Popen(
        [sys.executable, "-m", "cnnlab", *words],
        cwd=folder,
        env=names | {"XDG_CACHE_HOME": str(folder / "caches"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_runs_that_start_at_once_prepare_the_data_once_and_do_not_harm_each_other(tmp_path):
    # Large images, so that the second comes while the first still writes the store.
    words = (*SMALL, "data.size=64", "data.store=store", "trainer.limit_train_batches=3")
    runs = [started(tmp_path, *words) for _ in range(2)]
    for run in runs:
        _, err = run.communicate()
        assert (run.returncode, err) == (0, "")
    results = [json.loads(file.read_text()) for file in tmp_path.glob("outputs/*/*/result.json")]
    assert len(results) == 2
    assert len({result["weights_fingerprint"] for result in results}) == 1
    assert len(list((tmp_path / "store").glob("*.h5"))) == 1


def test_a_full_disk_is_one_sentence_and_leaves_the_last_good_checkpoint(small_disk):
    # A third of the disk for a checkpoint: there is room for the best, the last, and no more.
    words = ("data.size=8", "model=mlp", "model.hidden=[300]", "trainer=cpu", "trainer.max_epochs=6")
    run = started(small_disk.parent, *words, f"hydra.run.dir={small_disk}/run")
    out, err = run.communicate()
    assert run.returncode == 1
    assert "epoch 1/6" in out
    assert "No space left on device" in err
    assert err.count("\n") == 1
    for name in ("best", "last"):
        path = small_disk / "run" / "checkpoints" / f"{name}.ckpt"
        if path.exists():
            assert torch.load(path, weights_only=True)["global_step"] > 0
    assert {path.name for path in (small_disk / "run" / "checkpoints").iterdir()} >= {"best.ckpt"}
    # Elsewhere there is room.
    shutil.copytree(small_disk / "run", small_disk.parent / "run")
    run = started(small_disk.parent, "resume", "run")
    out, err = run.communicate()
    assert (run.returncode, err) == (0, "")
    assert json.loads((small_disk.parent / "run" / "result.json").read_text())["epochs"] == 6
