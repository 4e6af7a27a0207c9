"""A trained network as a module that predicts from raw arrays, texts and files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnnlab.data.input_format import InputFormat
from cnnlab.data.raw_inputs import FileInputs, Raw, batch_of, read_file
from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.module import NetworkModule

AT_ONCE_NUMBERS = 1 << 21  # of the inputs of one batch, which bounds the memory
LARGEST_BATCH = 512


def reordered(raw: Tensor, permutation: Tensor) -> Tensor:
    """Put the pixels of images ``(n, channels, height, width)`` in an order, int64 ``(height * width,)``."""
    return raw.flatten(2).index_select(2, permutation).reshape(raw.shape)


class RawNetwork(nn.Module):
    """A network from raw samples to what it says in the units of the targets: what an ONNX file holds.

    Args:
        module: the trained module.
        permutation: of the pixels, as the data module gave it; empty leaves them where they are.
    """

    permutation: Tensor | None

    def __init__(self, module: NetworkModule, permutation: Sequence[int] = ()) -> None:
        super().__init__()
        self.module = module
        self.register_buffer(
            "permutation", torch.tensor(permutation) if permutation else None, persistent=False
        )

    def forward(self, raw: Tensor) -> Tensor:
        """Probabilities ``(n, classes)``, values ``(n, outputs)`` or brightness of pixels, of a raw batch."""
        if self.permutation is not None:
            raw = reordered(raw, self.permutation)
        outputs = self.module(raw)
        return self.module.objective.outputs_for_users(outputs)


class Predictor(nn.Module):
    """A trained network that predicts from raw arrays, texts and files; made by ``cnnlab.load``.

    It is in evaluation, computes in 32 bits, and ``.to("cuda")`` moves it as any module.

    Args:
        form: what the raw samples look like.
        network: raw batches to probabilities, values or pixels.
        preprocess: names of the fitted steps that are inside.
    """

    def __init__(self, form: InputFormat, network: nn.Module, preprocess: Sequence[str]) -> None:
        super().__init__()
        self.form, self.network, self.preprocess = form, network, tuple(preprocess)
        self.eval()

    @classmethod
    def of(cls, form: InputFormat, module: NetworkModule) -> "Predictor":
        """Make one of a trained module."""
        return cls(form, RawNetwork(module, form.permutation), sorted(module.preprocess.steps))

    @property
    def spec(self) -> DataSpec:
        """Shapes and names of what goes in and comes out."""
        return self.form.spec

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the outputs that are classes."""
        return self.spec.class_names

    @property
    def value_names(self) -> tuple[str, ...]:
        """Names of the outputs that are values."""
        name, count = self.form.target_name or "value", self.spec.outputs
        return (name,) if count == 1 else tuple(f"{name} {number}" for number in range(1, count + 1))

    def forward(self, raw: Tensor) -> Tensor:
        """What the network says of a raw batch on its own device, see :meth:`predict`."""
        outputs: Tensor = self.network(raw)
        return outputs

    def predict(self, raw: Raw) -> NDArray[np.float32]:
        """Say what the network says of raw samples.

        Args:
            raw: images uint8 ``(n, height, width, channels)``, grey ones also ``(n, height, width)``, or
                channels first; texts, a sequence of str; rows of a table float ``(n, features)``.

        Returns:
            float32: probabilities ``(n, classes)``, values ``(n, outputs)``, or images of brightness 0 to 1
            ``(n, channels, height, width)``.

        Raises:
            UserError: for samples of another shape or type, or a missing value where none was filled in.
        """
        inputs = batch_of(self.form, raw)
        if self.lacks(inputs).any():
            raise UserError("the samples hold missing values (NaN), which this network does not fill in.")
        device = next(iter(self.parameters()), inputs).device
        size = max(1, min(LARGEST_BATCH, AT_ONCE_NUMBERS // self.spec.features))
        with torch.inference_mode():
            parts = [self(part.to(device)).float().cpu() for part in torch.split(inputs, size) if len(part)]
        if not parts:
            return np.zeros((0, self.spec.outputs), np.float32)
        outputs: NDArray[np.float32] = torch.cat(parts).numpy()
        return outputs

    def read(self, path: str | Path) -> FileInputs:
        """Read a file of the kind that the network takes: a picture, a text, or a table.

        Raises:
            UserError: in one sentence that names the file, and where it is a table the line.
        """
        found = read_file(self.form, Path(path))
        if (lacking := self.lacks(found.inputs)).any() and found.lines is not None:
            row = int(lacking.any(1).nonzero()[0])
            name = self.spec.feature_names[int(lacking[row].nonzero()[0])]
            raise UserError(
                f"{path}, line {found.lines[row]}: {name!r} is missing, and this network was trained "
                "without model.preprocess=[impute,...], which fills it in."
            )
        return found

    def lacks(self, inputs: Tensor) -> Tensor:
        """Where values are missing that are not filled in, bool of the inputs' shape."""
        if self.spec.kind != "tabular" or "impute" in self.preprocess:
            return torch.zeros(1, 1, dtype=torch.bool)
        return inputs.isnan()
