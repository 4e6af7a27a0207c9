import subprocess
import sys
from pathlib import Path

import pytest

SAYS_MORE = """
import atexit, sys
from cnnlab.__main__ import program
atexit.register(print, "exit functions ran")
sys.argv = ["cnnlab", *sys.argv[1:]]
program()
"""


SAYS_NO_MORE = SAYS_MORE.replace('atexit.register(print, "exit functions ran")', "")


def ended(program, *words, **given):
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, text=True, timeout=300, stderr=subprocess.PIPE, **given)


@pytest.mark.parametrize(("word", "code"), [("--version", 0), ("modle=mlp", 2)])
def test_a_program_ends_with_its_code_when_all_is_said(word, code, tmp_path):
    done = ended(SAYS_MORE, word, stdout=subprocess.PIPE, cwd=tmp_path)
    assert done.returncode == code
    assert done.stdout.endswith("exit functions ran\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
def test_what_cannot_be_written_is_a_failure(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = ended(SAYS_NO_MORE, "--version", stdout=full, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "cnnlab: [Errno 28] No space left on device\n")
