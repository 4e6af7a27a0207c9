"""Export to safetensors: the weights by their names, and all else as metadata."""

from pathlib import Path

from cnnlab.errors import UserError, reason
from cnnlab.export.about import About
from cnnlab.export.predictor import Predictor
from cnnlab.extras import extra
from cnnlab.files import replacing
from cnnlab.training.checkpoint_files import read_weights
from cnnlab.training.folder import RunFolder
from cnnlab.training.restored import network_of, restore_network

EXTRA = "export"


def write(run: Path, file: Path) -> None:
    """Write the weights of a run's test, with config, data, class names, preprocessing and epoch as texts.

    Raises:
        UserError: if this is no run folder, or safetensors is not installed.
    """
    torch_files = extra("safetensors.torch", EXTRA)
    place = RunFolder(run)
    form, module = restore_network(run)
    about = About.of(place, module, form, read_weights(place.weights)[1])
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    with replacing(file) as temporary:
        # Its own way to a file lets nobody but the owner read it.
        temporary.write_bytes(torch_files.save(tensors, metadata=about.as_texts()))


def load(file: Path) -> Predictor:
    """Load a file that :func:`write` wrote.

    Raises:
        UserError: if it cannot be read or is another's, or safetensors is not installed.
    """
    safetensors = extra("safetensors", EXTRA)
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            texts = opened.metadata() or {}
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    except (OSError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise UserError(f"{file}: not a safetensors file ({reason(error)}).") from error
    about = About.from_texts(texts, file)
    return Predictor.of(about.form, network_of(about.checked_config(file), about.form.spec, weights, file))
