import pytest

from cnnlab.config.compose import compose
from cnnlab.training.run import run

SMALL = [
    "data=digits",
    "data.size=8",
    "data.augment.shift=0",
    "data.augment.rotation=0",
    "trainer=cpu",
    "logger=none",
    "trainer.max_epochs=2",
]
SMALL += ["schedule=constant"]


@pytest.fixture
def trained(tmp_path):
    """Train what the overrides say, in a folder of its own."""

    def train(name, *overrides):
        folder = tmp_path / name
        return run(compose([*SMALL, *overrides]), folder), folder

    return train
