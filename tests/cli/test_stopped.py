"""Studies that are stopped by real signals, as programs of their own."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

ENDLESS = (
    *("-m", "data.size=8", "model=linear", "trainer=cpu", "trainer.max_epochs=1000000", "logger=none"),
    *("schedule=constant", "seed=1,2,3", "hydra.sweep.dir=study"),
    # No state but the one that the signal asks for.
    *("callbacks=last", "callbacks.checkpoint.every_seconds=null"),
    "+callbacks.checkpoint.every_n_epochs=1000000",
)
PARALLEL = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


@pytest.mark.parametrize(
    ("launcher", "number", "send", "begun"),
    [
        ((), signal.SIGTERM, os.kill, 1),
        (PARALLEL, signal.SIGTERM, os.kill, 2),  # the jobs' own processes hear nothing
        (PARALLEL, signal.SIGINT, os.killpg, 2),  # as a terminal does it: they hear it, too
    ],
    ids=["sequential", "parallel", "parallel from the keyboard"],
)
def test_a_signal_lets_the_jobs_save_their_states(tmp_path, proofs, launcher, number, send, begun):
    if send is os.killpg and not proofs:
        pytest.skip("make proofs presses Ctrl-C as well")
    if launcher:
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    study = subprocess.Popen(
        [sys.executable, "-m", "cnnlab", *ENDLESS, *launcher],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests run in the background, they and their children ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until = time.monotonic() + 300
    while len(list(tmp_path.glob("study/*/metrics.csv"))) < begun and time.monotonic() < until:
        assert study.poll() is None, study.communicate()
        time.sleep(0.1)
    send(study.pid, number)
    _, err = study.communicate(timeout=300)
    assert study.returncode == 128 + number
    assert (
        'the study is stopped, its states are in study; the same command with hydra.sweep.dir="study"' in err
    )
    assert not (tmp_path / "study" / ".stop").exists()
    jobs = sorted(path.parent for path in tmp_path.glob("study/*/config.yaml"))
    assert len(jobs) == begun  # the third has not begun
    for job in jobs:
        assert (job / "checkpoints" / "last.ckpt").exists()
        assert json.loads((job / "result.json").read_text())["status"] == "interrupted"
