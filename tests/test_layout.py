"""Imports between the folders of the package run one way, as docs/design.md draws them."""

import ast
from pathlib import Path

import pytest

import cnnlab

PACKAGE = Path(cnnlab.__file__).parent
FOLDERS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())
BELOW = {
    "config": set(),
    "data": {"config"},
    "optim": {"config"},
    "figures": set(),
    "models": {"config", "data", "optim"},
    "training": {"config", "data", "figures", "models", "optim"},
    "study": {"config", "training"},
    "report": {"config", "figures", "models", "study", "training"},
    "export": {"data", "models", "training"},
    "cli": {"config", "data", "export", "figures", "models", "report", "study", "training"},
}


def imported(file):
    """Modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_folder_has_its_place():
    assert set(FOLDERS) == set(BELOW)


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_run_downward(folder):
    found = {
        parts[1]
        for file in (PACKAGE / folder).rglob("*.py")
        for module in imported(file)
        if (parts := module.split("."))[0] == "cnnlab" and len(parts) > 1
    }
    assert found & set(FOLDERS) - {folder} <= BELOW[folder]


def test_no_folder_stands_above_itself():
    left = dict(BELOW)
    while left:
        lowest = [folder for folder, below in left.items() if not below & set(left)]
        assert lowest, f"a circle among {sorted(left)}"
        for folder in lowest:
            del left[folder]
