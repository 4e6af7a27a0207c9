import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.fixture
def cnnlab(tmp_path, monkeypatch, capsys):
    """Type a command line in an empty folder, within this process; gives code, output and errors."""
    from cnnlab.__main__ import main

    monkeypatch.chdir(tmp_path)

    def typed(*words):
        capsys.readouterr()
        code = main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return typed


@pytest.fixture
def killed():
    """Start a study as a program of its own, and kill it some seconds after its next job has begun."""

    def kill(words, study, seconds):
        process = subprocess.Popen(
            [sys.executable, "-m", "cnnlab", *words],
            cwd=study.parent,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        begun = configs(study)
        until = time.monotonic() + 300
        while process.poll() is None and configs(study) == begun and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def configs(study):
        return {path: path.stat().st_mtime_ns for path in study.glob("*_*/config.yaml")}

    return kill
