"""The processes of a parallel study, forked from one that has imported what a job needs."""

import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import forkserver
from threading import Thread

# What a job imports, which takes four seconds; the last one imports nothing.
IMPORTED = [
    *("cnnlab.cli.job", "cnnlab.cli.ending", "cnnlab.training.run", "cnnlab.report.run"),
    "cnnlab.cli.frozen",
]


def fork_jobs() -> None:
    """Let joblib fork its processes from a server, which begins to import now, beside this process.

    Each would import for itself otherwise. The server does nothing else: it has no threads and has not
    touched a GPU, so that forking it is safe. Where there is no fork, or no joblib, nothing happens.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods() or find_spec("joblib") is None:
        return

    from joblib.externals.loky.backend.context import set_start_method

    multiprocessing.set_forkserver_preload(IMPORTED)
    forkserver.ensure_running()
    set_start_method("forkserver", force=True)


@contextmanager
def forked() -> Iterator[None]:
    """Import beside the jobs what the study's page needs, and end joblib's processes when they are done.

    Without it, they would wait for further jobs.
    """
    Thread(target=import_module, args=("cnnlab.report.study",), daemon=True).start()
    try:
        yield
    finally:
        if "joblib" in sys.modules:
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)
