"""A lab for small neural networks: PyTorch Lightning under Hydra."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

    from cnnlab.export.predictor import Predictor

__version__ = version("cnnlab")
__all__ = ["__version__", "load", "runs"]


def load(run: str | Path) -> "Predictor":
    """Load a trained network, ready to predict from raw arrays, texts and files.

    Args:
        run: a run folder, or a file that ``export`` wrote: ``.h5``, ``.onnx`` or ``.safetensors``.

    Returns:
        A module in evaluation; its method ``predict`` takes what the network was trained on, as it is.

    Raises:
        UserError: if it is neither, or is damaged, or a package is missing that reads it.
    """
    from cnnlab.export import loading  # torch, which `import cnnlab` leaves alone

    return loading.load(run)


def runs(folder: str | Path = "outputs") -> "pandas.DataFrame":
    """Gather all runs below a folder in a table, a row for each.

    Args:
        folder: of a run, of a study, or of many.

    Returns:
        The run folder as index; status, metrics as ``val/accuracy`` and ``test/accuracy``, epochs, seconds,
        parameters, and each setting that differs between the runs, such as ``model.hidden``.

    Raises:
        UserError: if there is no run, one cannot be read, or pandas is not installed.
    """
    from cnnlab.study.table import runs_table

    return runs_table(Path(folder))
