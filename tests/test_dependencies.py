"""The pins leave out releases that are known to be bad."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
BAD = [
    ("pytorch-lightning", "2.6.2"),  # malicious
    ("pytorch-lightning", "2.6.3"),  # malicious
    ("torch", "2.5.1"),  # CVE-2025-32434: torch.load runs code in spite of weights_only
    ("torch", "2.9.1"),  # CVE-2026-24747: the same, by way of corrupted memory
    ("filelock", "3.20.0"),  # CVE-2025-68146: a lock that follows a link put in its place
]


@pytest.mark.parametrize(("package", "release"), BAD)
def test_a_bad_release_is_not_installed(package: str, release: str) -> None:
    listed = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    pins = {found.name: found.specifier for found in map(Requirement, listed)}
    assert release not in pins[package]
