"""What the how-to pages tell to do is done to a copy of the project, and what they promise happens."""

import gzip
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

PROJECT = Path(__file__).parents[2]
# Run in one process, since importing torch takes most of the time of a small run.
RUN_ALL = """
import json, sys
import cnnlab.__main__
assert cnnlab.__file__.startswith(sys.argv[1]), cnnlab.__file__
codes = [cnnlab.__main__.main(words) for words in json.loads(sys.argv[2])]
sys.exit(codes != [0] * len(codes))
"""
BLOCK = re.compile(r"^```\{code-block\} \w+\n:(caption|class): (.+?)\n\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RNG = np.random.default_rng(0)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project in a folder of its own."""
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "src", tmp_path / "project" / "src", ignore=skip)
    shutil.copytree(PROJECT / "conf", tmp_path / "project" / "conf")
    return tmp_path / "project"


def apply(page: str, project: Path) -> list[list[str]]:
    """Write the page's captioned blocks into the project; return the words of the commands to run."""
    commands = []
    for kind, what, text in BLOCK.findall((PROJECT / "docs" / page).read_text(encoding="utf-8")):
        if kind == "class":
            assert what == "run"
            for line in text.splitlines():
                assert line.startswith("python -m cnnlab "), line
                commands.append(line.split()[3:])
            continue
        path = project / what.removesuffix(", at the end")
        assert path.exists() == what.endswith(", at the end"), what
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n\n{text}" if path.stat().st_size else text)
    return commands


def run(project: Path, commands: list[list[str]], extra: tuple[str, ...] = ()) -> dict[str, Path]:
    """Run the commands in the changed project; return the run folders by what was typed."""
    words = [[*command, *(extra if command[0] != "describe" else ())] for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, str(project), json.dumps(words)],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project / "src")},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folders = [path.parent for path in (project / "outputs").rglob("result.json")]
    (project / "printed.txt").write_text(done.stdout, encoding="utf-8")
    return {(folder / "overrides.yaml").read_text(encoding="utf-8"): folder for folder in folders}


def typed(runs: dict[str, Path], word: str) -> dict[str, Any]:
    """The result of the one run whose command had this word; its folder is added."""
    (folder,) = [folder for overrides, folder in runs.items() if f"- {word}\n" in overrides]
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["status"] == "finished"
    return result | {"folder": folder}


def write_idx(raw: Path, digits: dict[str, np.ndarray]) -> None:
    raw.mkdir(parents=True)
    for stem, labels in digits.items():
        images = RNG.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (raw / f"{stem}-{name}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))


def test_add_a_data_set(project: Path) -> None:
    commands = apply("add_a_data_set.md", project)
    raw = project / "raw"
    digits = {"train": RNG.integers(0, 10, 60, dtype=np.uint8), "t10k": np.arange(20, dtype=np.uint8) % 10}
    write_idx(raw / "MNIST" / "raw", digits)
    drawings = RNG.integers(0, 256, (50, 16, 16), dtype=np.uint8)
    np.savez(raw / "shapes.npz", images=drawings, labels=np.arange(50) % 3)

    runs = run(project, commands, (f"data.root={raw}", f"data.store={project}/store", "data.verify=false"))

    parity = typed(runs, "data=mnist_parity")
    assert parity["samples"] == {"train": 54, "val": 6, "test": 20}
    with h5py.File(parity["folder"] / "predictions.h5") as file:
        assert list(file["class_names"].asstr()) == ["even", "odd"]
        assert file["targets"][:].tolist() == [digit % 2 for digit in digits["t10k"]]
    shapes = typed(runs, "data=shapes")
    assert shapes["samples"] == {"train": 36, "val": 4, "test": 10}
    assert shapes["parameters"] == (16 * 16 + 1) * 512 + 513 * 512 + 513 * 3
    with h5py.File(shapes["folder"] / "predictions.h5") as file:
        assert list(file["class_names"].asstr()) == ["circle", "square", "triangle"]


def test_add_a_network(project: Path) -> None:
    runs = run(
        project,
        apply("add_a_network.md", project),
        ("data.size=8", "logger=none", "trainer.limit_train_batches=3"),
    )

    convolutions = (1 * 9 + 1) * 8 + (8 * 9 + 1) * 8 + (8 * 9 + 1) * 16
    norms = 4 * (8 + 8 + 16)  # scale, shift, and two running statistics
    dense = (16 * 2 * 2 + 1) * 32 + 33 * 10
    assert typed(runs, "model=small_cnn")["parameters"] == convolutions + norms + dense
    block = 2 * 16 * 16 * 9 + 2 * 4 * 16
    assert typed(runs, "model=residual")["parameters"] == (9 + 1) * 16 + block + 17 * 10
    printed = (project / "printed.txt").read_text(encoding="utf-8")
    assert printed.count("cifar10: image 3 x 32 x 32, 10 classes") == 2


def test_add_an_experiment(project: Path) -> None:
    runs = run(project, apply("add_an_experiment.md", project), ("trainer.max_epochs=1", "logger=none"))

    assert len(runs) == 3
    fingerprints = set()
    for overrides, folder in runs.items():
        result = typed({overrides: folder}, "experiment=digits_dense_sgd")
        assert result["parameters"] == (8 * 8 + 1) * 64 + 65 * 10
        config = (folder / "config.yaml").read_text(encoding="utf-8")
        for value in ("nesterov: true", "lr: 0.05", "batch_size: 64", "schedules.Cosine"):
            assert value in config
        fingerprints.add((result["seed"], result["weights_fingerprint"]))
    assert [seed for seed, _ in sorted(fingerprints)] == [0, 1, 2]


def test_use_a_network(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "use_a_network.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\{code-block\} python\n:caption: in Python\n\n(.*?)^```$", page, re.M | re.S)
    check = """
assert probabilities.shape == (10, 10)
assert (probabilities.argmax(1) == range(10)).sum() >= 7, probabilities
assert table["status"].tolist() == ["finished"]
"""

    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*blocks, check])],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(blocks) == 3
