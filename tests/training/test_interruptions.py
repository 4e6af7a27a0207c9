import os
import signal

import pytest
import pytorch_lightning as pl
import torch

from cnnlab.config.compose import compose
from cnnlab.training.interruptions import Interruption
from cnnlab.training.run import run

SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@pytest.fixture(autouse=True)
def answered():
    """A shell's background jobs ignore Ctrl-C, which the tests must not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@SIGNALS
def test_outside_of_training_a_signal_ends_the_run_at_once(number, code):
    before = signal.getsignal(number)
    with Interruption().watched(), pytest.raises(SystemExit) as raised:
        os.kill(os.getpid(), number)
    assert raised.value.code == code
    assert signal.getsignal(number) is before


def signalled(interruption, number):
    """Be told to stop in mid-training; gives what would answer the next signal."""
    with interruption.deferred():
        os.kill(os.getpid(), number)
        yield {signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}


@SIGNALS
def test_in_training_the_first_signal_is_noted_and_the_second_is_the_systems(number, code, capfd):
    interruption = Interruption()
    with interruption.watched():
        training = signalled(interruption, number)
        assert next(training) == {signal.SIG_DFL}
        assert interruption.asked == code
        with pytest.raises(SystemExit) as raised:
            next(training)
    assert raised.value.code == code
    assert capfd.readouterr().err.count("a second signal stops at once") == 1


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption().watched():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


class BetweenEpochs(pl.Callback):
    """Is told to stop when an epoch has ended and the next has not begun."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("every", "steps"), [(1, 11), (100, 12)], ids=["each epoch", "the hundredth"])
def test_between_two_epochs_a_state_is_written_where_the_epochs_end_wrote_none(
    three_epochs, tmp_path, every, steps
):
    words = [*three_epochs, "data.batch_size=128", f"+callbacks.checkpoint.every_n_epochs={every}"]
    with pytest.raises(SystemExit) as raised:
        run(compose(words), tmp_path / "run", callbacks=[BetweenEpochs()])
    assert raised.value.code == 143
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == steps
