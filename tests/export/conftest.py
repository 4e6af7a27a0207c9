import numpy as np
import pytest

from cnnlab.config.compose import compose
from cnnlab.training.run import run

RNG = np.random.default_rng(0)
CARS = "".join(
    f"{weight},{colour},{'fast' if weight < 1000 or colour == 'red' else 'slow'}\n"
    for weight, colour in zip(
        RNG.integers(600, 1500, 60), RNG.choice(["red", "blue", "grey"], 60), strict=True
    )
)
DIGITS = ["data=digits", "data.size=8", "data.augment.shift=0", "data.augment.rotation=0"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Train what the overrides say, once in a session; gives the run folder."""
    folder = tmp_path_factory.mktemp("runs")
    done = {}

    def train(*overrides, epochs=1):
        words = (
            *overrides,
            f"trainer.max_epochs={epochs}",
            "trainer=cpu",
            "logger=none",
            "schedule=constant",
        )
        if words not in done:
            place = folder / str(len(done))
            if "data=digits" in words:
                words = (*words, f"data.store={folder / 'store'}")
            run(compose(list(words)), place)
            done[words] = place
        return done[words]

    return train


@pytest.fixture(scope="session")
def digits_run(trained):
    """A dense network of digits, in 32 bits."""
    return trained(*DIGITS, "model=mlp", "model.hidden=[16]", "trainer.precision=32-true")


@pytest.fixture(scope="session")
def cars_run(trained, tmp_path_factory):
    """A network of a table with categories, whose file is gone."""
    path = tmp_path_factory.mktemp("cars") / "cars.csv"
    path.write_text("weight,colour,speed\n" + CARS)
    columns = ["data.target=speed", "data.categorical=[colour]"]
    place = trained("data=csv", f"data.path={path}", *columns, "model=mlp", "model.hidden=[4]")
    path.unlink()
    return place
