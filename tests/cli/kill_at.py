"""Run ``python -m cnnlab`` and kill it, with SIGKILL and from inside, at one exact moment.

    python kill_at.py MODULE:NAME:before|after:COUNT TRACE WORD...

The process dies before or after the COUNT-th call of that function; with COUNT 0 it lives. The number of each
training step that begins goes to the file TRACE.
"""

import functools
import importlib
import itertools
import os
import runpy
import signal
import sys


def arm(moment):
    """Let the process die at the moment."""
    module, name, when, count = moment.split(":")
    owner = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    called, calls = getattr(owner, last), itertools.count(1)

    @functools.wraps(called)
    def counted(*arguments, **settings):
        now = next(calls) == int(count)
        if now and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = called(*arguments, **settings)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, last, counted)


def trace(path):
    """Write down the number of each step that begins."""
    from cnnlab.models.module import NetworkModule

    step = NetworkModule.training_step

    def traced(self, batch, batch_idx):
        with open(path, "a") as file:
            file.write(f"{self.trainer.global_step}\n")
        return step(self, batch, batch_idx)

    traced.__signature__ = step.__signature__
    NetworkModule.training_step = traced


if __name__ == "__main__":
    moment, path, *words = sys.argv[1:]
    trace(path)
    arm(moment)
    sys.argv = ["cnnlab", *words]
    runpy.run_module("cnnlab", run_name="__main__", alter_sys=True)
