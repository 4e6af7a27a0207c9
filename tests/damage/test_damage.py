"""Damaged files of every kind that cnnlab reads: one sentence, or data of the right shape and type."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).with_name("worker.py")
SEALED = ("store", "features", "predictions", "export.h5")  # each byte is under a checksum
SOME, ALL = 50, 500  # damages of a kind


def kinds() -> list[str]:
    spec = importlib.util.spec_from_file_location("damage_worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.KINDS)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, proofs: bool) -> dict[str, Any]:
    """What became of each kind; all are read in one program, each in a process of its own."""
    folder = tmp_path_factory.mktemp("damage")
    command = [sys.executable, str(WORKER), str(folder), str(ALL if proofs else SOME)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {said["kind"]: said for said in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("kind", kinds())
def test_a_damaged_file_is_a_sentence_or_right_data(report: dict[str, Any], kind: str, proofs: bool) -> None:
    said = report[kind]
    assert "failure" not in said, f"damage {said['number']} of {kind}: {said['failure']}"
    assert said["refused"] + said["read"] == (ALL if proofs else SOME)
    assert said["refused"], "damage that nobody notices is none"
    assert kind not in SEALED or not said["read"]
