from types import SimpleNamespace

import pytest
import torch

from cnnlab.training import speed


def test_warm_up_and_validation_do_not_count(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock.now)
    trainer = SimpleNamespace(num_training_batches=5, world_size=1)
    module = SimpleNamespace(device=torch.device("cpu"))
    timer = speed.Speed()
    for _ in range(2):
        timer.on_train_epoch_start(trainer, module)
        for batch in range(5):
            clock.now += 100.0 if timer._seen < 3 else 1.0
            timer.on_train_batch_end(trainer, module, None, (None, range(8)), batch)
        clock.now += 1000.0  # validation
    # Two batches of the first epoch, five of the second, a second each.
    assert timer.samples == 7 * 8
    assert timer.samples_per_second == pytest.approx(8.0)
