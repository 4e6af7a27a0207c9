"""The figures that lie in a folder, with the words that go with them."""

import re
from collections.abc import Iterable
from pathlib import Path

from cnnlab.figures.dark import dark_twin
from cnnlab.report.embedding import Picture, is_png

LARGEST = 20_000_000  # bytes of a figure
# The most telling first: six lie open.
CAPTIONS = {
    "learning curves": "What training and validation said after each epoch.",
    "loss curves": "The same of the loss, which training makes small.",
    "heat map": "The result for each pair of settings.",
    "sensitivity": "How the result answers to what was varied.",
    "parallel coordinates": "Each line is a run: what was set, and what came of it. The best tenth is blue.",
    "importance": "How much worse a forest of trees forecasts held-out runs when a setting is shuffled among "
    "them: it may lose more than it knew, where it is then misled.",
    "self organising map": "Runs of like settings lie side by side; a number is how many runs lie in a cell.",
    "predicted against true": "A network that is always right puts all points on the line.",
    "denoised": "Noisy images, what the network makes of them, and what they were.",
    "confusion matrix": "Rows are true classes, columns what the network said, as shares of the true class.",
    "roc and precision recall": "What raising or lowering the threshold would cost and gain.",
    "most confused": "The commonest mistakes.",
    "most confident mistakes": "Wrong, and surest of it.",
    "residuals": "True less predicted values: without a pattern if the network has learned what there is.",
    "error against t": "How the error grows along the path.",
    "target against features": "True and predicted values against each feature.",
    "responses": "What the strongest filters of the first and the last layer answer to test images: bright "
    "is strong, and each picture is stretched to its own strongest.",
    "calibration": "Whether what is said with 80% confidence is right in 80% of all cases.",
    "first layer filters": "What the first layer looks for.",
    "last layer filters": "Kernels of the last convolution.",
    "confusion matrix of counts": "The same as numbers of samples.",
    "network": "Its layers, with the shapes that go in and come out.",
}

WITH_SPREAD = ("learning curves", "loss curves", "sensitivity", "heat map")


def pictures(files: Iterable[Path], spread: str = "") -> list[Picture]:
    """Read figures and their dark twins, the most telling first.

    Args:
        files: PNG files; what is none, or too large, is passed over.
        spread: what a band or a bar is, for the figures that have some.
    """
    known = list(CAPTIONS)
    found = []
    for path in files:
        light, dark = _content(path), _content(dark_twin(path))
        if light is not None:
            name = path.stem.replace("_", " ")
            caption = f"{CAPTIONS.get(_kind(name), '')} {spread if name in WITH_SPREAD else ''}".strip()
            found.append(Picture(name, caption, light, dark))
    found.sort(key=lambda one: known.index(_kind(one.name)) if _kind(one.name) in known else len(known))
    return found


def light_ones(folder: Path) -> list[Path]:
    """The figures of a folder without their dark twins, by name."""
    every = sorted(folder.glob("*.png"))
    twins = {dark_twin(path) for path in every}
    return [path for path in every if path not in twins]


def _content(path: Path) -> bytes | None:
    # A link may lead out of a stranger's folder.
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
        return None
    content = path.read_bytes()
    return content if is_png(content) else None


def _kind(name: str) -> str:
    """A figure's name without the number of the value that it is of.

    Examples:
        >>> _kind("target 2 against features")
        'target against features'
    """
    return re.sub(r" \d+", "", name)
