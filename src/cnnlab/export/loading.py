"""Loading what was trained: a run folder, or an exported file."""

from pathlib import Path

from cnnlab.errors import UserError
from cnnlab.export.predictor import Predictor

SUFFIXES = (".h5", ".onnx", ".safetensors")


def load(run: str | Path) -> Predictor:
    """Load a trained network, ready to predict; nothing else than the folder or file is needed.

    Args:
        run: a run folder, or a file that ``export`` wrote: ``.h5``, ``.onnx`` or ``.safetensors``.

    Raises:
        UserError: if it is neither, or is damaged, or a package is missing that reads it.
    """
    path = Path(run).expanduser()
    if path.is_dir():
        from cnnlab.training.restored import restore_network

        return Predictor.of(*restore_network(path))
    if path.suffix not in SUFFIXES:
        what = "cannot be loaded" if path.exists() else "there is no such file or folder"
        raise UserError(f"{path}: {what}; allowed are a run folder, and files of {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file.")
    if path.suffix == ".onnx":
        from cnnlab.export import onnx

        return onnx.load(path)
    if path.suffix == ".h5":
        from cnnlab.export import hdf5

        return hdf5.load(path)
    from cnnlab.export import safetensors

    return safetensors.load(path)
