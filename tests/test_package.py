"""What ``import cnnlab`` offers."""

import subprocess
import sys

import pytest

import cnnlab
from cnnlab.config.compose import compose
from cnnlab.errors import UserError
from cnnlab.training.run import run


def test_importing_it_imports_nothing_heavy():
    code = "import sys, cnnlab; print(sorted({'torch', 'numpy', 'pandas', 'hydra'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_runs_are_a_table_with_what_differs(tmp_path):
    for name, hidden in (("a", "[4]"), ("b", "[8]")):
        words = ["data=xor", "model=mlp", f"model.hidden={hidden}", "trainer=cpu", "logger=none"]
        run(compose([*words, "trainer.max_epochs=2"]), tmp_path / "study" / name)

    table = cnnlab.runs(tmp_path)

    assert list(table["model.hidden"]) == ["[4]", "[8]"]
    assert list(table["parameters"]) == [2 * 4 + 4 + 4 * 2 + 2, 2 * 8 + 8 + 8 * 2 + 2]
    assert set(table["status"]) == {"finished"}
    assert table["test/accuracy"].between(0, 1).all()
    assert "model.norm" not in table
    assert [name[-1] for name in table.index] == ["a", "b"]


def test_a_missing_pandas_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"pip install 'cnnlab\[pandas\]'"):
        cnnlab.runs(tmp_path)
