"""The door: ``python -m cnnlab`` and the ``cnnlab`` command. Imports nothing heavy."""

import atexit
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cnnlab.config.allowing import allowing
from cnnlab.config.typed import require_readable
from cnnlab.errors import TrainingError, UserError, did_you_mean

VERBS = {
    "train": "train a network, or with -m a study; the verb may be left out",
    "reproduce": "run the published results again and set ours beside them: reproduce [ROW ...] --seeds 3",
    "compare": "set runs and studies side by side: compare RUN RUN ..., compare STUDY --by model.norm",
    "report": "write the page of a run or a study once more, and show it: report RUN|STUDY [--open]",
    "predict": "what a network says of files: predict RUN|EXPORT FILE|FOLDER ... --top 5",
    "evaluate": "test a network again, or on other data: evaluate RUN [data=...] [--part val]",
    "export": "a network as one file: export RUN --to h5|onnx|safetensors [FILE]",
    "resume": "go on with a run that was interrupted: resume RUN_FOLDER [trainer.max_epochs=30]",
    "describe": "print a network's layers, shapes, parameters and FLOPs, with --picture FILE its graph",
    "figures": "draw a run's figures once more, all or some: figures RUN [NAME ...] [--to FOLDER] [--dark]",
    "explain": "show which parts of an image speak for a class: explain RUN FILE|--test N ...",
    "lr": "find a learning rate: draw the loss of a fresh network while the rate rises, suggest one",
    "data": "data list, data show NAME, data prepare NAME: look at data sets, prepare them",
}
# Behind these stand folders and files, which may have any name.
OF_FILES = ("predict", "evaluate", "export")
# And behind these those of runs and studies, which are named by what was typed.
OF_FOLDERS = ("resume", "explain", "report", "figures", "compare")
FAILED, MISTAKE, INTERRUPTED = 1, 2, 130
# A file where a folder should be, a folder in a file's place, a name that is too long: not the disk's fault.
WRONG_PLACES = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Find the verb, run it, and turn what goes wrong into one sentence and an exit code.

    Args:
        arguments: what was typed after the program's name; None takes it from ``sys.argv``.

    Returns:
        0 finished, 1 a training failed, 2 a mistake of the user's, 130 interrupted, 143 terminated.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with allowing(words) as left:
            return _dispatch(left)
    except UserError as error:
        print(f"cnnlab: {error}", file=sys.stderr)
        return MISTAKE
    except TrainingError as error:
        print(f"cnnlab: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("cnnlab: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; nothing can be said to it any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except MemoryError:
        print("cnnlab: out of memory: smaller numbers in the settings need less.", file=sys.stderr)
        return FAILED
    except OSError as error:  # a full disk, say
        print(f"cnnlab: {error}", file=sys.stderr)
        return MISTAKE if error.errno in WRONG_PLACES else FAILED
    except SystemExit as error:  # a run that was told to end by SIGTERM
        return error.code if isinstance(error.code, int) else FAILED


def _dispatch(words: list[str]) -> int:
    if not words or words[0] not in OF_FILES:  # files may have any name
        require_readable(words)
    if any(word in ("-h", "--help") for word in words):
        from cnnlab.cli.help import help_text

        print(help_text())
        return 0
    if "--version" in words:
        from cnnlab import __version__

        print(f"cnnlab {__version__}")
        return 0
    verb = "train"
    if words and words[0][:1] not in "-~+" and "=" not in words[0]:
        verb = words.pop(0)
        if verb not in VERBS:
            raise UserError(
                f"{verb}: there is no such verb{did_you_mean(verb, VERBS) or '.'} "
                f"The verbs are {', '.join(VERBS)}; settings are written key=value; --help shows both."
            )
    late = next((word for word in words if word in VERBS), None)
    there = late is not None and verb in OF_FOLDERS and Path(late).exists()
    if late is not None and verb not in OF_FILES and not there:
        raise UserError(f"{late}: a verb is typed once, as the first word.")
    result: int = importlib.import_module(f"cnnlab.cli.{verb}").main(words)
    return result


def program() -> NoReturn:
    """Run what was typed as a process of its own, and end that at once.

    Python takes a second and a half to take torch's modules apart one by one, which the system does faster.
    """
    code = main()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError as error:  # the disk is full, or nobody reads any more
        code = code or FAILED
        if not isinstance(error, BrokenPipeError):
            print(f"cnnlab: {error}", file=sys.stderr)
    os._exit(code)


if __name__ == "__main__":
    program()
