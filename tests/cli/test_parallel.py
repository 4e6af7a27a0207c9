import json
import multiprocessing
import subprocess
import sys

import pytest

SMALL = ("data.size=8", "model=linear", "trainer=cpu", "trainer.max_epochs=1", "logger=none")
WITHOUT_LAUNCHER = """
import sys
sys.modules["hydra_plugins.hydra_joblib_launcher"] = None
from cnnlab.__main__ import main
sys.exit(main(["-m", "hydra/launcher=joblib", "seed=1,2"]))
"""


def names_of_children():
    return [process.name for process in multiprocessing.active_children()]


def test_jobs_run_in_processes_of_their_own_and_their_failures_are_gathered(cnnlab, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    from joblib.externals.loky.backend.context import get_context

    words = ("-m", *SMALL, "optimizer=sgd", "optimizer.lr=0.1,1e38", "hydra.sweep.dir=study")
    code, out, err = cnnlab(*words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert code == 1
    found = {}
    for file in sorted((tmp_path / "study").glob("*/result.json")):
        found[int(file.parent.name[0])] = json.loads(file.read_text())
        assert (file.parent / "screen.log").exists()
    assert [found[number]["status"] for number in range(2)] == ["finished", "failed"]
    assert err.startswith("cnnlab: job 2/2 failed: the training loss is")
    assert "Best by validation is lr=0.1" in out
    # The processes are forked from one that has imported torch; none waits for further jobs.
    assert get_context().get_start_method() == "forkserver"
    assert not [name for name in names_of_children() if "loky" in name.lower()]
    # In one process they come to the same.
    (tmp_path / "study" / "0_optimizer.lr=0.1" / "result.json").unlink()
    assert cnnlab(*words)[0] == 1
    (again,) = (tmp_path / "study").glob("0_*/result.json")
    assert json.loads(again.read_text())["weights_fingerprint"] == found[0]["weights_fingerprint"]


def test_without_the_launcher_the_error_names_the_extra(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LAUNCHER], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "cnnlab: hydra/launcher=joblib: it is not installed; pip install 'cnnlab[parallel]' brings it."
    )
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
