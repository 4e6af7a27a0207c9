"""MNIST and Fashion-MNIST, read from their IDX files (http://yann.lecun.com/exdb/mnist)."""

import gzip
import hashlib
import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.config.ranges import NotNegative
from cnnlab.data.input_format import InputFormat
from cnnlab.data.raw import Arrays, check_md5, download
from cnnlab.data.samples import Images, NoisyImages
from cnnlab.data.spec import DataSpec
from cnnlab.data.store_writer import StoreWriter
from cnnlab.data.stored import ImageDataModule
from cnnlab.errors import UserError

MNIST_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
SHAPE = (1, 28, 28)
PIXELS = math.prod(SHAPE)

_UINT8 = 8  # the type that the third byte of an IDX file names
_LARGEST = 2**28  # bytes; the training images have 47 million, a damaged header declares more

# Of the decompressed files: the same arrays compressed anew are still the official ones.
_CONTENT_MD5 = {
    "MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}


def read_idx(path: Path, md5: str | None = None) -> NDArray[np.uint8]:
    """Read an IDX file of uint8 values, compressed where its name ends in ``.gz``.

    Args:
        path: the file.
        md5: checksum that its (decompressed) content must have; None compares nothing.

    Raises:
        UserError: if the file is damaged, of another format, or not the official one.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = _read_exactly(cast(BinaryIO, stream), path)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if md5 is not None:
        check_md5(path, md5, content)
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()


def _read_exactly(stream: BinaryIO, path: Path) -> bytes:
    """Return the whole file, header included, where it is as long as its header says."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != bytes([0, 0, _UINT8]) or not 1 <= magic[3] <= 4:
        raise UserError(f"{path} is not an IDX file of uint8: it begins with {magic.hex(' ') or 'nothing'}")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise UserError(f"{path} is too short: it ends inside its header")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    length = math.prod(shape)
    if length > _LARGEST:
        raise UserError(f"{path} is damaged: its header declares the shape {shape}")
    body = stream.read(length + 1)
    if len(body) != length:
        wrong = "long" if len(body) > length else "short"
        raise UserError(f"{path} is too {wrong}: its header declares {length} values of shape {shape}")
    return magic + sizes + body


def read_mnist(root: Path, folder: str, verify: bool) -> Arrays:
    """Read train and test from ``root/<folder>/raw``, as torchvision lays it out; fetch what is missing.

    Args:
        root: folder of raw files.
        folder: name of the data set's class in torchvision, and of its folder: ``MNIST``, ``FashionMNIST``.
        verify: compare each file's content with the official one's checksum.

    Returns:
        ``train`` and ``test``: images uint8 ``(N, 28, 28, 1)`` and labels int64 ``(N,)``.

    Raises:
        UserError: if a file is missing and cannot be fetched, is damaged, or is not the official one.
    """
    return {
        split: _read_pair(root, folder, verify, stem)
        for split, stem in (("train", "train"), ("test", "t10k"))
    }


def _read_pair(
    root: Path, folder: str, verify: bool, stem: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    arrays = []
    for name in (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"):
        path = _find(root, folder, name)
        content_md5 = _CONTENT_MD5.get(folder, {}).get(name)
        if verify and content_md5 is None:
            check_md5(path, dict(_torchvision(folder).resources)[f"{name}.gz"])
        arrays.append(read_idx(path, content_md5 if verify else None))
    images, labels = arrays
    where = root / folder / "raw"
    if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise UserError(
            f"{where}: the {stem} files hold images of shape {images.shape} and labels of {labels.shape},"
            " not (N, 28, 28) and (N,)"
        )
    if not labels.size or labels.max() > 9:
        raise UserError(f"{where}: the labels of {stem} are not digits from 0 to 9")
    return images[..., np.newaxis], labels.astype(np.int64)


def _find(root: Path, folder: str, name: str) -> Path:
    raw = root / folder / "raw"
    for path in (raw / name, raw / f"{name}.gz"):
        if path.is_file():
            return path
    dataset = _torchvision(folder)
    filename = f"{name}.gz"
    urls = [f"{mirror}{filename}" for mirror in dataset.mirrors]
    return download(urls, raw, filename, dict(dataset.resources)[filename], dataset=folder)


def _torchvision(folder: str) -> Any:  # noqa: ANN401 - a torchvision class
    import torchvision.datasets  # seconds to import, and needed only for its addresses and checksums

    return getattr(torchvision.datasets, folder)


@dataclass(kw_only=True, eq=False, repr=False)
class MNIST(ImageDataModule):
    """Data module of MNIST (LeCun, Cortes and Burges 1998).

    Args:
        permute_pixels: put the pixels of every image in one random order, drawn by ``split_seed``. It
            travels in the checkpoint, and a run that goes on from there has the same.
        noise: standard deviation of Gaussian noise on the inputs, where black is 0 and white is 1; above 0
            the clean image is the target, in place of the class. See :class:`NoisyImages`.

    Examples:
        >>> MNIST().spec.input_shape, MNIST(noise=0.5).spec.target
        ((1, 28, 28), 'image')
    """

    dataset_name: ClassVar[str] = "mnist"
    raw_folder: ClassVar[str] = "MNIST"
    classes: ClassVar[tuple[str, ...]] = MNIST_CLASSES

    permute_pixels: bool = False
    noise: NotNegative = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.permutation: Tensor | None = None
        if self.permute_pixels:
            drawn = np.random.default_rng(self.split_seed).permutation(PIXELS)
            self.permutation = torch.from_numpy(drawn)

    @property
    def spec(self) -> DataSpec:
        """Grey images of ten classes, or of what they are without the noise."""
        if self.noise:
            return DataSpec(self.dataset_name, "image", SHAPE, "image", PIXELS)
        return DataSpec(self.dataset_name, "image", SHAPE, "classes", 10, self.classes)

    @property
    def input_format(self) -> InputFormat:
        """Images, and the order that their pixels are put in."""
        order = () if self.permutation is None else tuple(self.permutation.tolist())
        return InputFormat(spec=self.spec, permutation=order)

    @property
    def raw_files(self) -> tuple[str, ...]:
        """The four files, compressed or not."""
        return tuple(f"{self.raw_folder}/raw/{name}*" for name in _CONTENT_MD5["MNIST"])

    def write(self, writer: StoreWriter) -> None:
        """Store train and test, with their classes whatever the target."""
        writer.class_names = self.classes
        for split, arrays in read_mnist(self.raw_root, self.raw_folder, self.verify).items():
            writer.add(split, *arrays)

    def stored_samples(self, stored: str) -> Images:
        """All images of a stored split, which will be permuted and get their noise when they are taken."""
        plain = super().stored_samples(stored)
        if self.noise:
            return NoisyImages(plain.images, plain.targets, permutation=self.permutation, noise=self.noise)
        return Images(plain.images, plain.targets, permutation=self.permutation)

    def checksum(self) -> str:
        """Digest of the stored arrays, of the permutation and of the noise."""
        stored = super().checksum()
        if self.permutation is None and not self.noise:
            return stored
        order = None if self.permutation is None else self.permutation.tolist()
        return hashlib.sha256(json.dumps([stored, order, self.noise]).encode()).hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """The permutation, for the checkpoint."""
        return {} if self.permutation is None else {"permutation": self.permutation}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the permutation of a checkpoint in place of one's own.

        Raises:
            UserError: if it is none.
        """
        if self.permutation is None:
            return
        permutation = state_dict["permutation"].long()
        if not torch.equal(permutation.sort().values, torch.arange(PIXELS)):
            raise UserError(
                f"data={self.dataset_name}: the permutation in the checkpoint is not one of {PIXELS} pixels."
            )
        self.permutation = permutation
        self._samples.clear()


@dataclass(kw_only=True, eq=False, repr=False)
class FashionMNIST(MNIST):
    """Data module of Fashion-MNIST (Xiao, Rasul and Vollgraf 2017)."""

    dataset_name: ClassVar[str] = "fashion_mnist"
    raw_folder: ClassVar[str] = "FashionMNIST"
    classes: ClassVar[tuple[str, ...]] = FASHION_CLASSES
