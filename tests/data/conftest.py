from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_picture() -> Callable[..., None]:
    """Write a picture of blocks, so that lossy formats and resizing keep something to compare."""
    draws = np.random.default_rng(0)

    def write(path: Path, mode: str = "RGB", size: tuple[int, int] = (20, 14)) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray(draws.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize(size)
        noise.convert(mode).save(path)

    return write
