"""Commands in the README and on the pages are accepted, refusals are as shown, links lead somewhere."""

import importlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from cnnlab.__main__ import OF_FILES, VERBS
from cnnlab.cli.compare import parse as parse_compare
from cnnlab.cli.data import parse
from cnnlab.cli.describe import parse as parse_describe
from cnnlab.cli.explain import parse as parse_explain
from cnnlab.cli.figures import parse as parse_figures
from cnnlab.cli.lr import parse as parse_lr
from cnnlab.cli.rehearsal import rehearse
from cnnlab.cli.report import parse as parse_report
from cnnlab.cli.reproduce import parse as parse_reproduce
from cnnlab.config.check import check
from cnnlab.config.compose import compose, expand
from cnnlab.errors import UserError
from cnnlab.study.rows import choose_rows
from cnnlab.study.space import is_search, read_space

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAGES = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
# Their commands need what the page adds first: test_how_to.py runs them.
PROVED = ("add_a_data_set.md", "add_a_network.md", "add_an_experiment.md")
COMMAND = re.compile(
    r"(?<!\$ )python -m cnnlab(?= |`|$)([^`#\n]*)|make train ARGS=\"([^\"]*)\"", re.MULTILINE
)
REFUSED = re.compile(r"^\$ python -m cnnlab (.*)\ncnnlab: (.*?)(?: \.\.\.)?$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
TOCTREE = re.compile(r"```\{toctree\}(.*?)```", re.DOTALL)
# Verbs whose words are not settings: of a run or a file that there is not, only the form is looked at.
ALONE: dict[str, Callable[[list[str]], object]] = {
    "reproduce": lambda words: choose_rows(
        [word for word in parse_reproduce(words).words if "=" not in word]
    ),
    "figures": parse_figures,
    "explain": parse_explain,
    "resume": lambda words: words[0],
    "compare": parse_compare,
    "report": parse_report,
    **{verb: importlib.import_module(f"cnnlab.cli.{verb}").parse for verb in OF_FILES},
}
WITH_FLAGS: dict[str, Callable[[list[str]], tuple[object, list[str]]]] = {
    "lr": parse_lr,
    "describe": parse_describe,
}
SHOWS = ("--help", "--version", "--cfg")
ALLOWS = "--allow-target"  # a class that is not there


def commands(page: Path) -> set[str]:
    """What follows the program's name in each command of a page, in running text and in blocks."""
    return {"".join(parts).strip() for parts in COMMAND.findall(page.read_text(encoding="utf-8"))}


def prepared(cfg: DictConfig) -> None:
    """Check a config and build what needs no data."""
    check(cfg)
    rehearse(cfg)


def accept(command: str, act: Callable[[DictConfig], None] = check) -> None:
    """Compose all jobs of a command, and check them or do what else is wanted."""
    words = shlex.split(command)
    if any(word in (*SHOWS, ALLOWS) for word in words):
        return
    if words and words[0] in ALONE:
        ALONE[words[0]](words[1:])
        return
    if words and words[0] == "data":
        words = parse(words[1:]).overrides
    elif words and words[0] in WITH_FLAGS:
        _, words = WITH_FLAGS[words[0]](words[1:])
    elif words and words[0] in VERBS:
        words.pop(0)
    overrides = [word for word in words if word != "-m"]
    if is_search(overrides):
        jobs = read_space(overrides).corners()
    else:
        jobs = expand(overrides) if "-m" in words else [overrides]
    for job in jobs:
        act(compose(job))


TYPED = sorted({command for page in PAGES if page.name not in PROVED for command in commands(page)})


def test_the_commands_are_found() -> None:
    assert len(commands(PROJECT / "README.md")) >= 9
    assert len(commands(DOCS / "start.md")) >= 8


@pytest.mark.parametrize("command", TYPED)
def test_a_command_is_accepted(command: str) -> None:
    accept(command)


def test_a_refusal_is_as_shown() -> None:
    shown = [found for page in PAGES for found in REFUSED.findall(page.read_text(encoding="utf-8"))]
    assert shown
    for command, message in shown:
        with pytest.raises(UserError, match=re.escape(message)):
            accept(command, act=prepared)


def test_links_lead_somewhere() -> None:
    links = [(page, link) for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert len(links) > 15
    for page, link in links:
        if not link.startswith("https://"):
            assert (page.parent / link).exists(), f"{page}: {link}"


def test_every_page_is_in_the_table_of_contents() -> None:
    blocks = TOCTREE.findall((DOCS / "index.md").read_text(encoding="utf-8"))
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")}
    assert pages - {"index"} <= {line for block in blocks for line in block.split()}
