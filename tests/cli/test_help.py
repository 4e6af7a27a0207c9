import subprocess
import sys
from pathlib import Path

import pytest

from cnnlab import __version__
from cnnlab.__main__ import VERBS
from cnnlab.cli.help import EXAMPLES
from cnnlab.config.compose import groups

HEAVY = ("torch", "pytorch_lightning", "torchvision", "sklearn", "matplotlib", "numpy", "pydantic")


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["describe", "--help"], ["-m", "--help", "model=x"]])
def test_help_shows_every_group_option_verb_and_example(cnnlab, words):
    code, out, err = cnnlab(*words)
    assert (code, err) == (0, "")
    listed = out.replace(",", " ").split()
    assert {option for options in groups().values() for option in options} <= set(listed)
    assert set(VERBS) <= set(listed)
    assert all(f"python -m cnnlab {example}\n" in out for example in EXAMPLES.values())
    assert max(map(len, out.splitlines())) <= 110


def test_version(cnnlab):
    assert cnnlab("--version") == (0, f"cnnlab {__version__}\n", "")


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["model=vgg_lke"],
        ["modle=vgg_like"],
        ["-m", "model=mlp,lineer"],
        ["trian"],
        ["describe", "model=vgg_lke"],
    ],
)
def test_help_and_mistyped_names_import_nothing_heavy(words, tmp_path):
    program = (
        "import sys; from cnnlab.__main__ import main; main(sys.argv[1:]);"
        f"print('loaded:', *(name for name in {HEAVY} if name in sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "loaded:"


def test_the_console_script_is_the_same_door(tmp_path):
    script = Path(sys.executable).with_name("cnnlab")
    for words, code in ((["--help"], 0), (["model=vgg_lke"], 2)):
        ended, same = (
            subprocess.run([*program, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
            for program in ([script], [sys.executable, "-m", "cnnlab"])
        )
        assert ended.returncode == same.returncode == code
        assert (ended.stdout, ended.stderr) == (same.stdout, same.stderr)
        assert ended.stdout + ended.stderr


def test_the_config_is_shown_as_composed(cnnlab):
    code, out, err = cnnlab("--cfg", "job", "model=linear", "optimizer.lr=0.25")
    assert (code, err) == (0, "")
    assert "lr: 0.25" in out
    assert "MLPModule" in out


def test_one_part_of_the_config_is_shown(cnnlab):
    code, out, _ = cnnlab("--cfg", "job", "-p", "optimizer", "optimizer.lr=0.25")
    assert code == 0
    assert "lr: 0.25" in out
    assert "batch_size" not in out


def test_a_part_that_is_not_there_is_a_mistake(cnnlab):
    code, _, err = cnnlab("--cfg", "job", "-p", "optimiser")
    assert code == 2
    assert "optimiser" in err
