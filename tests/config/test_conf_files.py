import shlex
from pathlib import Path

import pytest

from cnnlab.cli.help import EXAMPLES
from cnnlab.config.check import check
from cnnlab.config.compose import compose, conf_dir, groups
from cnnlab.data import tables
from cnnlab.study.space import read_space

TABLE = str(Path(tables.__file__).parent / "pima-indians-diabetes.csv")
NEEDED = {"data=image_folder": ["data.path=pictures"], "data=csv": [f"data.path={TABLE}"]}
OPTIONS = [f"{group}={option}" for group, options in groups().items() for option in options]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_passes_the_check(option):
    check(compose([option, *NEEDED.get(option, [])]))


@pytest.mark.parametrize("group", groups())
def test_every_group_has_an_example_that_passes_the_check(group):
    overrides = [word for word in shlex.split(EXAMPLES[group]) if word != "-m"]
    assert any(word.startswith((f"{group}=", f"{group}.")) for word in overrides)
    for job in read_space(overrides).corners():
        check(compose(job))


def test_help_gives_no_example_of_a_group_that_is_not_there():
    assert set(EXAMPLES) == set(groups())


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.startswith("experiment=")])
def test_an_experiment_says_how_it_is_run_and_where_it_is_from(option):
    lines = (conf_dir() / f"{option.replace('=', '/')}.yaml").read_text().splitlines()
    assert f"# python -m cnnlab {option}" in lines
    assert any(line.startswith("# Source: ") for line in lines)
    assert any(line.startswith("# Published: ") for line in lines)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_begins_with_what_it_is(option):
    lines = (conf_dir() / f"{option.replace('=', '/')}.yaml").read_text().splitlines()
    described = [line for line in lines[:2] if line.startswith("# ") and "@package" not in line]
    assert described
