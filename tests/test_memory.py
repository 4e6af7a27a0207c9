"""Memory that really runs out, in a process that may have only so much of it."""

import os
import resource
import subprocess
import sys

import pytest

LIMIT = 2 << 30  # of data: a torch that is built for CUDA maps more than that of code
COMMON = ("logger=none", "trainer=cpu", "trainer.max_epochs=1", "hydra.run.dir=run")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to RLIMIT_DATA")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            (
                "data=random",
                "data.samples_drawn=20000",
                "data.batch_size=all",
                "model=mlp",
                "model.hidden=[20000]",
            ),
            "out of memory while training with data.batch_size=14400: data.batch_size=7200 needs about half.",
        ),
        (
            ("data=digits", "model=mlp", "model.hidden=[30000,30000]"),
            "out of memory while preparing the run: a smaller network",
        ),
    ],
)
def test_lack_of_memory_is_one_sentence(tmp_path, words, said):
    ended = subprocess.run(
        [sys.executable, "-m", "cnnlab", *words, *COMMON],
        cwd=tmp_path,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("cnnlab: ")
