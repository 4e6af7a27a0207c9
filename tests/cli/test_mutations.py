"""Command lines with mistakes in them: each ends as a run or as one sentence, never as anything else."""

import inspect
import itertools
import json
import os
import random
import re
import resource
import shlex
import signal
import subprocess
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning import Trainer

from cnnlab.config.compose import compose
from cnnlab.config.conf import conf_dir, groups
from cnnlab.data import tables
from cnnlab.errors import UserError
from cnnlab.training.build import build
from cnnlab.training.result import Result
from cnnlab.training.run import run

PROJECT = Path(__file__).parents[2]
SOURCES = [
    PROJECT / "README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    *sorted(conf_dir().rglob("*.yaml")),
]
PROVED_ELSEWHERE = ("add_a_data_set.md", "add_a_network.md", "add_an_experiment.md")
COMMAND = re.compile(r"python -m cnnlab ([^`#\n|]+)")
WORDS_OF_A_LIBRARY = re.compile(
    r"Traceback|\b(?!UserError)[A-Z]\w+(?:Error|Exception)\b|<class|object at 0x|__\w+__|\.py\b|NoneType|"
    r"omegaconf|antlr|pydantic|positional argument|unexpected keyword|\b(?:int|float|str|dict|list)\(\)"
)
LONGEST = 500
TABLE = str(Path(tables.__file__).parent / "pima-indians-diabetes.csv")
TYPES = (
    "abc",
    "[1,2]",
    "{a:1}",
    "null",
    "true",
    "''",
    "",
    "1.5",
    "-1",
    "[]",
    "{}",
    "[[1]]",
    "???",
    "[a,2]",
    "x y",
)
REFERENCES = (
    "${x}",
    "${model}",
    "${oc.env:HOME}",
    "${seed",
    "${data.batch_size}",
    "$",
    "\\",
    "'",
    '"',
    "(",
    "a=b",
)
NUMBERS = (
    "0",
    "-5",
    "1.5",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e-320",
    "1e12",
    str(10**12),
    str(10**30),
    str(2**63),
)
LETTERS = (
    "é",
    "漢",
    "\u202e",
    "🙂",
    "\n",
    "\t",
    "\u200b",
    "\udcff",
    "\x1b[31m",
    "İ",
    "\u0301",
    ",",
    "=",
    ".",
    "[",
)
# The processes of several devices would each begin these tests anew: tests/cli/test_devices.py has them.
ARGUMENTS = sorted(set(inspect.signature(Trainer).parameters) - {"self", "devices", "num_nodes"})
USUAL = ("true", "false", "null", "0", "1", "2", "7", "0.5", "1.0", "simple", "{minutes:1}")
ALLOWED_BYTES, ALLOWED_SECONDS = 2 << 30, 60  # of the processor
SMALL = ("data=xor", "model=mlp", "model.hidden=[3]", "trainer=cpu", "trainer.max_epochs=2", "logger=none")
# Of these nothing is read but what comes with the package.
AT_HAND = ("Digits", "XOR", "Boston", "Pima", "LogisticMap", "RandomTable")
CHEAP = 2_000_000  # parameters


def typed_commands():
    """What follows the program's name in each command that a user can read somewhere."""
    found = set()
    for page in SOURCES:
        if page.name not in PROVED_ELSEWHERE:
            found |= {line.strip() for line in COMMAND.findall(page.read_text(encoding="utf-8"))}
    # A launcher would train in processes of its own, and a search as often as it likes.
    return [words for line in sorted(found) if (words := split(line)) and "hydra/" not in line]


def split(line):
    try:
        return shlex.split(line)
    except ValueError:  # a sentence with an apostrophe
        return []


COMMANDS = typed_commands()


def command(draw):
    """One of the commands; a further one on a page leaves nearly all draws as they were."""
    salt = draw.random()
    return max(COMMANDS, key=lambda words: zlib.crc32(f"{salt}{words}".encode()))


KEYS = {}


def keys_of(words):
    """Every setting of the config that a command line composes."""
    # What is very long already goes past what the command line would have refused.
    settings = tuple(word for word in words if "=" in word and len(word) < LONGEST)
    if settings not in KEYS:
        try:
            cfg = compose(list(settings))
        except UserError:
            cfg = compose([])
        KEYS[settings] = sorted(leaves("", OmegaConf.to_container(cfg)))
    return KEYS[settings]


def leaves(path, node):
    for key, value in node.items():
        place = f"{path}.{key}".lstrip(".")
        yield from leaves(place, value) if isinstance(value, dict) and value else [place]


def misspelt(draw, words):
    """Double, drop or swap letters."""
    i = draw.randrange(len(words))
    word, at = words[i], draw.randrange(max(1, len(words[i])))
    kinds = (
        word[:at] + word[at : at + 1] * draw.choice((2, 2, 3, 40)) + word[at + 1 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    )
    return [*words[:i], draw.choice(kinds), *words[i + 1 :]]


def strange_letters(draw, words):
    i = draw.randrange(len(words))
    at = draw.randint(0, len(words[i]))
    return [*words[:i], words[i][:at] + draw.choice(LETTERS) + words[i][at:], *words[i + 1 :]]


def other_group(draw, words):
    """Choose an option of one group from another."""
    options = groups()
    one, other = draw.choice(sorted(options)), draw.choice(sorted(options))
    sign = draw.choice(("", "", "", "+", "~", "++"))
    return [*words, f"{sign}{one}={draw.choice(options[other] or ['x'])}"]


def wrong_value(draw, words):
    """Give some setting a value of a wrong type, a reference, or an absurd number."""
    key = draw.choice(keys_of(words))
    sign = draw.choice(("", "", "", "", "+", "~", "++"))
    value = draw.choice(draw.choice((TYPES, REFERENCES, NUMBERS, NUMBERS)))
    return [*words, sign + key + ("" if sign == "~" else f"={value}")]


def added_to_trainer(draw, words):
    """Give the Trainer an argument that conf/ does not list, or one that there is not."""
    key = draw.choice(ARGUMENTS)
    if draw.random() < 0.2:
        (key,) = misspelt(draw, [key])
    value = draw.choice(draw.choice((USUAL, USUAL, TYPES, NUMBERS)))
    return [*words, f"{draw.choice(('+', '++'))}trainer.{key}={value}"]


def replaced_value(draw, words):
    i = draw.randrange(len(words))
    value = draw.choice(draw.choice((TYPES, REFERENCES, NUMBERS)))
    return [*words[:i], f"{words[i].partition('=')[0]}={value}", *words[i + 1 :]]


def very_long(draw, words):
    key = draw.choice(keys_of(words))
    long = draw.choice((1_000, 4_000, 100_000))
    values = ("x" * long, f"[{','.join(['3'] * (long // 4))}]", "9" * long, "a b " * (long // 4))
    nested = (f"{'[' * depth}{']' * depth}" for depth in (15, 200))
    return [*words, f"{key}={draw.choice((*values, *nested))}"]


def misplaced(draw, words):
    """Repeat, leave out, join or lend a word; or type one that belongs to another command."""
    i = draw.randrange(len(words))
    foreign = draw.choice(command(draw))
    kinds = (
        [*words, words[i]],
        words[:i] + words[i + 1 :],
        [*words, foreign],
        [foreign, *words],
        [
            *words,
            draw.choice(("-m", "--cfg", "job", "--info", "-x", "--", "-", "=", ",", "", " ", "hydra=x")),
        ],
        ["".join(words)],
        [" ".join(words)],
    )
    return draw.choice(kinds)


MUTATIONS = (
    *(misspelt, misspelt, strange_letters, other_group, replaced_value, very_long, misplaced),
    *(wrong_value, wrong_value, wrong_value, wrong_value, added_to_trainer),
)


def mutated(seed):
    """A real command line with one mistake in it, or two."""
    draw = random.Random(seed)
    words = list(command(draw))
    for _ in range(draw.choice((1, 1, 1, 2))):
        words = draw.choice(MUTATIONS)(draw, words or ["model=mlp"])
    return words


@contextmanager
def bounded():
    """Let memory and time run out soon, so that what would take much of either fails."""

    def too_long(signum, frame):
        raise TimeoutError(f"longer than {ALLOWED_SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGPROF, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ALLOWED_BYTES, before[1]))
    signal.setitimer(signal.ITIMER_PROF, ALLOWED_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def until_training(monkeypatch):
    """The command line up to where it would read data or train."""
    from cnnlab.cli import data, lr, reproduce
    from cnnlab.cli.train import check_jobs
    from cnnlab.study.reproduce import Reproduction
    from cnnlab.study.rows import choose_rows
    from cnnlab.training.result import config_fingerprint

    def first_row(words):
        typed = reproduce.parse(words).words
        rows = choose_rows([word for word in typed if "=" not in word])
        overrides = [word for word in typed if "=" in word]
        reproduction = Reproduction(run, config_fingerprint, Path(), Path(), overrides)
        reproduce.require_right(reproduction, rows[:1])
        return 0

    def made_data(words):
        request = data.parse(words)
        if request.action != "list":
            data._make(request.overrides)
        return 0

    def without_a_test(words):
        check_jobs(lr.parse(words)[1], multirun=False)
        return 0

    monkeypatch.setattr(lr, "main", without_a_test)
    monkeypatch.setattr(reproduce, "main", first_row)
    monkeypatch.setattr(data, "main", made_data)
    batches = OneBatch()
    monkeypatch.setattr("cnnlab.training.run.run", batches)
    return batches


class OneBatch:
    """What passes all checks is not trained, but for a few that are cheap: these for one batch."""

    def __init__(self):
        self.left, self.trained = 0, 0

    def __call__(self, cfg, folder, **given):
        if not self.left or not cheap(cfg):
            return Result()
        self.left -= 1
        self.trained += 1
        cfg = cfg.copy()
        few = {"limit_train_batches": 1, "limit_val_batches": 1, "limit_test_batches": 1, "max_epochs": 1}
        for key, value in few.items():
            OmegaConf.update(cfg, f"trainer.{key}", value, force_add=True)
        cfg.data.batch_size, cfg.logger = 8, {}
        return run(cfg, folder, **given)


def cheap(cfg):
    """Whether a batch of it takes no file and little time."""
    long = {"min_steps", "min_epochs"} & set(cfg.trainer)
    several = cfg.trainer.get("devices", "auto") not in (1, "auto") or "num_nodes" in cfg.trainer
    if long or several or cfg.data._target_.rpartition(".")[2] not in AT_HAND:
        return False
    with torch.device("meta"):
        _, model = build(cfg)
    return sum(parameter.numel() for parameter in model.parameters()) < CHEAP


def complaint(words, code, err, allowed=(2,)):
    """What is wrong with how a command line ended; empty where nothing is."""
    if code == 0:
        return ""
    if code not in allowed:
        return f"code {code}"
    said = err.splitlines()
    if len(said) != 1 or not said[0].startswith("cnnlab: "):
        return "not one line"
    if len(said[0]) > LONGEST:
        return f"{len(said[0])} letters"
    typed = " ".join(words)
    # A sentence may repeat what was typed, forty underscores in a row included.
    if found := [each.group() for each in WORDS_OF_A_LIBRARY.finditer(said[0]) if each.group() not in typed]:
        return f"speaks of {found}"
    return "" if said[0].isprintable() else "not printable"


def test_a_mutated_command_line_is_a_run_or_one_sentence(cnnlab, until_training, proofs):
    wrong = []
    for seed in range(2000 if proofs else 200):
        words = mutated(seed)
        until_training.left += seed % 40 == 0
        before = until_training.trained
        try:
            with bounded():
                code, _, err = cnnlab(*words)
            # A rate of 1e308 is allowed, and fails in training.
            fault = complaint(words, code, err, (1, 2) if until_training.trained > before else (2,))
        except BaseException as error:
            fault, err = f"{type(error).__name__}: {error}"[:300], ""
        if fault:
            wrong.append(f"{seed}: {shlex.join(words)[:300]}\n  {fault}\n  {err[:600]}")
    assert not wrong, "\n".join(wrong)


def test_a_further_argument_of_the_trainer_trains_or_is_one_sentence(cnnlab, proofs, tmp_path):
    wrong, trained = [], 0
    for seed in range(300 if proofs else 10):
        words = added_to_trainer(random.Random(seed), [*SMALL, f"hydra.run.dir={seed}"])
        try:
            with bounded():
                code, _, err = cnnlab(*words)
            fault = complaint(words, code, err)
            if code == 0:
                trained += 1
                fault = "" if finished(tmp_path / str(seed)) else "no finished run"
            if "trainer.max_" in words[-1] and "longer than" in err:  # 10^30 epochs, as asked for
                fault = ""
        except BaseException as error:
            fault, err = f"{type(error).__name__}: {error}"[:300], ""
        if fault:
            wrong.append(f"{seed}: {words[-1]}\n  {fault}\n  {err[:600]}")
    assert not wrong, "\n".join(wrong)
    assert trained


def finished(folder):
    result = json.loads((folder / "result.json").read_text())
    return result["status"] == "finished" and result["epochs"] > 0 and result["test"]


def test_as_a_command_it_says_the_same(cnnlab, until_training, proofs, tmp_path):
    wanted, caches = 40 if proofs else 4, {"XDG_CACHE_HOME": str(tmp_path / "caches"), "OMP_NUM_THREADS": "1"}
    refused = 0
    for seed in itertools.count(10_000):
        words = mutated(seed)
        code, _, err = cnnlab(*words)
        if code != 2:
            continue
        ended = subprocess.run(
            [sys.executable, "-m", "cnnlab", *words],
            env=os.environ | caches,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr, ended.stdout) == (2, err, ""), words
        refused += 1
        if refused == wanted:
            break
