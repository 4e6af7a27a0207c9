"""Files of ``torch.save`` from strangers: tensors and plain containers only, and no more than they bring."""

import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cnnlab.nesting import TooDeep, require_shallow

_ZIP = b"PK\x03\x04"
_PICKLES = 5  # that torch's old format begins with: magic number, version, system, content, keys


class NotPlain(ValueError):
    """A file that holds more than tensors and plain containers, or declares more than it brings."""


def read_torch_file(path: Path) -> Any:  # noqa: ANN401 - whatever was saved
    """Read what ``torch.save`` wrote, onto the CPU.

    Raises:
        NotPlain: if it holds anything but dense tensors and plain containers, nests too deep, or would take
            more memory than it has bytes: compressed, or a tensor that repeats a few numbers.
        OSError: if it cannot be read.
        Exception: whatever rubbish makes torch's reader stumble over.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "numbers.pt"
        >>> torch.save({"w": torch.tensor([1.0, 2.0])}, path)
        >>> read_torch_file(path)
        {'w': tensor([1., 2.])}
        >>> torch.save({"w": torch.zeros(1).expand(10**12)}, path)
        >>> read_torch_file(path)
        Traceback (most recent call last):
        cnnlab.torchfile.NotPlain: a tensor in it declares more numbers than the file brings
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise NotPlain("it is not a plain file")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            records = packed.infolist()
        compressed = any(record.compress_type != zipfile.ZIP_STORED for record in records)
        if compressed or sum(record.file_size for record in records) > state.st_size:
            raise NotPlain("it is compressed, which torch.save never does")
        with zipfile.ZipFile(path) as packed:
            if damaged := packed.testzip():
                raise NotPlain(f"{damaged} in it is damaged: its checksum is another")
    _require_shallow(path)
    found = torch.load(path, map_location="cpu", weights_only=True)
    _require_whole_tensors(found)
    return found


def _require_shallow(path: Path) -> None:
    """Refuse pickles that nest too deep, in either of torch's formats and read as torch reads them."""
    try:
        with path.open("rb") as file:
            if file.read(len(_ZIP)) == _ZIP:
                reader = torch._C.PyTorchFileReader(str(path))
                require_shallow(io.BytesIO(reader.get_record("data.pkl")))
                return
            file.seek(0)
            for _ in range(_PICKLES):
                require_shallow(file)
    except TooDeep as error:
        raise NotPlain(str(error)) from error


def _require_whole_tensors(found: object) -> None:
    waiting, seen = [found], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:  # a container can hold itself
            continue
        seen.add(id(part))
        if isinstance(part, Tensor):
            if part.layout != torch.strided or part.is_quantized or part.device.type != "cpu":
                raise NotPlain("a tensor in it is not a plain one")
            if part.numel() * part.element_size() > part.untyped_storage().nbytes():
                raise NotPlain("a tensor in it declares more numbers than the file brings")
        elif isinstance(part, dict):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, (list, tuple, set)):
            waiting += part
