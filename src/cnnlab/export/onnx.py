"""Export to ONNX: raw samples in, what the network says in the units of the targets out."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cnnlab.data.input_format import InputFormat
from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError, reason
from cnnlab.export.about import About
from cnnlab.export.predictor import Predictor
from cnnlab.extras import extra
from cnnlab.files import replacing
from cnnlab.training.checkpoint_files import read_weights
from cnnlab.training.folder import RunFolder
from cnnlab.training.restored import restore_network

EXTRA = "export"
INPUTS = {"image": "images", "tokens": "ids", "counts": "counts", "tabular": "rows"}
OUTPUTS = {"classes": "probabilities", "values": "values", "image": "images_out"}
DTYPES = {"image": torch.uint8, "tokens": torch.int64, "counts": torch.float32, "tabular": torch.float32}
TYPES = {"image": "tensor(uint8)", "tokens": "tensor(int64)"}


def write(run: Path, file: Path) -> None:
    """Write a run's network with its preprocessing inside, for batches of any size.

    The input is ``images`` uint8 ``(batch, channels, height, width)``, ``ids`` int64 ``(batch, length)``,
    ``counts`` or ``rows`` float32 ``(batch, features)``; the output is ``probabilities`` ``(batch,
    classes)``, ``values`` ``(batch, outputs)`` or ``images_out`` of brightness 0 to 1. The metadata holds
    config, data, class names, preprocessing and epoch as texts.

    Raises:
        UserError: if this is no run folder, or onnx and onnxscript are not installed.
    """
    for package in ("onnx", "onnxscript"):
        extra(package, EXTRA)
    place = RunFolder(run)
    form, module = restore_network(run)
    about = About.of(place, module, form, read_weights(place.weights)[1])
    model = graph(form, Predictor.of(form, module).network)
    for key, text in about.as_texts().items():
        model.metadata_props.add(key=key, value=text)
    with replacing(file) as temporary:
        temporary.write_bytes(model.SerializeToString())


def graph(form: InputFormat, network: nn.Module) -> Any:  # noqa: ANN401 - a message of a package that may lack
    """Trace a network that takes raw batches into an ONNX model."""
    spec = form.spec
    example = torch.zeros((2, *spec.input_shape), dtype=DTYPES[spec.kind])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch 2.8 warns of its own use of its own classes
        program = torch.onnx.export(
            network.eval(),
            (example,),
            input_names=[INPUTS[spec.kind]],
            output_names=[OUTPUTS[spec.target]],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx gave no program")
    return program.model_proto


class OnnxNetwork(nn.Module):
    """An ONNX model, run by onnxruntime on the CPU.

    Args:
        session: of onnxruntime.
        file: where the model is from, for messages.
        spec: what its metadata says of its inputs and outputs.
    """

    def __init__(self, session: Any, file: Path, spec: DataSpec) -> None:  # noqa: ANN401 - a package may lack
        super().__init__()
        self.session, self.file, self.spec = session, file, spec

    def forward(self, raw: Tensor) -> Tensor:
        """What the model says of a raw batch.

        Raises:
            UserError: if it cannot be run, or says something else than its metadata.
        """
        name = self.session.get_inputs()[0].name
        try:
            (found,) = self.session.run(None, {name: raw.contiguous().numpy()})
        except Exception as error:  # whatever a stranger's model makes onnxruntime stumble over
            raise UserError(f"{self.file}: onnxruntime cannot run it ({reason(error)}).") from error
        wanted = (len(raw), *_output_shape(self.spec))
        if not isinstance(found, np.ndarray) or found.dtype != np.float32 or found.shape != wanted:
            shape = list(getattr(found, "shape", [type(found).__name__]))
            raise UserError(f"{self.file}: its output is {shape}, and its metadata says {list(wanted)}.")
        return torch.from_numpy(found)


def load(file: Path) -> Predictor:
    """Load a file that :func:`write` wrote.

    Raises:
        UserError: if it cannot be read or is another's, or onnxruntime is not installed.
    """
    onnx, runtime = extra("onnx", EXTRA), extra("onnxruntime", EXTRA)
    try:
        model = onnx.load(file, load_external_data=False)
        tensors = list(onnx.external_data_helper._get_all_tensors(model))
    except Exception as error:  # whatever rubbish makes protobuf stumble over
        raise UserError(f"{file}: not an ONNX file ({reason(error)}).") from error
    if any(onnx.external_data_helper.uses_external_data(tensor) for tensor in tensors):
        raise UserError(f"{file}: it would read other files, which cnnlab's exports do not.")
    about = About.from_texts({prop.key: prop.value for prop in model.metadata_props}, file)
    try:
        session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        inputs = [(one.type, list(one.shape[1:])) for one in session.get_inputs()]
        outputs = [list(one.shape[1:]) for one in session.get_outputs()]
    except Exception as error:  # likewise
        raise UserError(f"{file}: onnxruntime cannot read it ({reason(error)}).") from error
    _require_fit(file, inputs, outputs, about.form)
    return Predictor(about.form, OnnxNetwork(session, file, about.form.spec), about.preprocess)


def _require_fit(
    file: Path, inputs: list[tuple[str, list[Any]]], outputs: list[list[Any]], form: InputFormat
) -> None:
    """Refuse a model that takes other samples, or gives other outputs, than its metadata says."""
    spec = form.spec
    wanted = (TYPES.get(spec.kind, "tensor(float)"), list(spec.input_shape))
    if inputs != [wanted] or len(outputs) != 1:
        raise UserError(f"{file}: its input is {inputs}, and its metadata says {wanted}.")
    told = list(_output_shape(spec))
    if outputs != [told]:
        raise UserError(f"{file}: each of its outputs is {outputs[0]}, and its metadata says {told}.")


def _output_shape(spec: DataSpec) -> tuple[int, ...]:
    """Shape of what is said of one sample."""
    return spec.input_shape if spec.target == "image" else (spec.outputs,)
