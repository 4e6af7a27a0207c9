"""Writing prepared data sets: one HDF5 file each, whole or not at all."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from cnnlab.data.store import ARRAYS, FORMAT_VERSION, SPLITS, Option, are_offsets
from cnnlab.errors import UserError
from cnnlab.sealed import create, seal

_BLOCK = 256  # images held in memory at a time where a split may be larger than it


class SplitWriter:
    """One split that is written image by image; made by `StoreWriter.create`.

    The images wait in a nameless file beside the store until their number is known, since only a data set
    of a fixed size is contiguous, and only a contiguous one can be memory-mapped.
    """

    def __init__(self, folder: Path, image_shape: tuple[int, int, int]) -> None:
        self._shape = image_shape
        self._labels: list[int] = []
        self._spool = TemporaryFile(dir=folder)  # noqa: SIM115 -- closed by the store's writer

    def __len__(self) -> int:
        return len(self._labels)

    def append(self, image: NDArray[np.uint8], label: int) -> None:
        """Add one image, uint8 of the split's image shape, and its label.

        Raises:
            ValueError: if the image has another shape or dtype.
        """
        if image.shape != self._shape or image.dtype != np.uint8:
            raise ValueError(f"image is {image.dtype} {image.shape}, the split holds uint8 {self._shape}")
        self._spool.write(image.tobytes())
        self._labels.append(label)

    def close(self) -> None:
        """Give the waiting images up."""
        self._spool.close()

    def write_to(self, group: h5py.Group) -> None:
        """Write ``images`` and ``labels`` into the group."""
        count = len(self._labels)
        images = _create(group, "images", (count, *self._shape), np.uint8)
        self._spool.seek(0)
        for start in range(0, count, _BLOCK):
            stop = min(start + _BLOCK, count)
            block = self._spool.read((stop - start) * int(np.prod(self._shape)))
            images[start:stop] = np.frombuffer(block, np.uint8).reshape(-1, *self._shape)
        _create(group, "labels", (count,), np.int64)[...] = np.array(self._labels, np.int64)


class StoreWriter:
    """Write a store beside its target and rename it when all is there; an exception leaves nothing.

    Args:
        path: where the store shall stand; its folder is created.
        class_names: one name per class; may be set while writing, where the raw files tell.
        source: where the data came from, for people.
        verified: whether the raw files had the official checksums.
        options: what the preparation depended on, such as the image size.

    Raises:
        UserError: if the folder cannot be written to.
        ValueError: if a split is empty, unknown, written twice, or its arrays do not fit each other.
    """

    def __init__(
        self,
        path: Path,
        *,
        class_names: Sequence[str],
        source: str,
        verified: bool,
        options: Mapping[str, Option],
    ) -> None:
        self.path = path
        self.skipped: list[str] = []
        self.class_names = tuple(class_names)
        self.vocabulary: tuple[str, ...] = ()
        self.counted: dict[str, dict[str, int]] = {}
        self._source = source
        self._verified = verified
        self._options = dict(options)
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        self._pending: dict[str, SplitWriter] = {}

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = create(self._temporary)
        except OSError as error:
            raise UserError(f"{self.path.parent}: prepared data cannot be written there: {error}") from error
        return self

    def add(self, split: str, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        """Write a whole split: images uint8 ``(N, H, W, C)``, labels int64 ``(N,)``."""
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(f"{split}: images are {images.dtype} {images.shape}, not uint8 (N, H, W, C)")
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise ValueError(f"{split}: labels are {labels.dtype} {labels.shape} for {len(images)} images")
        group = self._new_split(split)
        _create(group, "images", images.shape, np.uint8)[...] = images
        _create(group, "labels", labels.shape, np.int64)[...] = labels

    def add_ids(
        self, split: str, ids: NDArray[np.int32], offsets: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> None:
        """Write a whole split of texts: the ids of sample ``i`` are ``ids[offsets[i] : offsets[i + 1]]``.

        Args:
            split: its name.
            ids: int32, all samples one after the other.
            offsets: int64 ``(N + 1,)``, from 0 to the number of ids.
            labels: int64 ``(N,)``.
        """
        if ids.dtype != np.int32 or ids.ndim != 1 or not are_offsets(offsets, len(ids)):
            raise ValueError(f"{split}: {ids.dtype} ids and offsets do not fit each other")
        if labels.dtype != np.int64 or len(labels) != len(offsets) - 1:
            raise ValueError(
                f"{split}: labels are {labels.dtype} {labels.shape} for {len(offsets) - 1} texts"
            )
        group = self._new_split(split)
        for name, array in (("ids", ids), ("offsets", offsets), ("labels", labels)):
            _create(group, name, array.shape, array.dtype.type)[...] = array

    def create(self, split: str, image_shape: tuple[int, int, int]) -> SplitWriter:
        """Begin a split that takes images ``(H, W, C)`` one at a time; what was appended is what it holds."""
        self._new_split(split)
        self._pending[split] = SplitWriter(self.path.parent, image_shape)
        return self._pending[split]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            for split in self._pending.values():
                split.close()
            with contextlib.suppress(OSError, RuntimeError):  # a full disk makes closing fail as well
                self._file.close()
            self._temporary.unlink(missing_ok=True)

    def _new_split(self, split: str) -> h5py.Group:
        if split not in SPLITS:
            raise ValueError(f"no split is called {split}; there are {', '.join(SPLITS)}")
        return self._file.create_group(split)

    def _finish(self) -> None:
        for name, split in self._pending.items():
            split.write_to(self._file[name])
        self._check_labels()
        for name in self._file:
            digests = content_digests(self._file[name])
            _create(self._file[name], "digests", digests.shape, np.uint64)[...] = digests
        about = {
            "format_version": FORMAT_VERSION,
            "class_names": self.class_names,
            "source": self._source,
            "verified": self._verified,
            "options": self._options,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "checksum": _checksum(self._file),
            "skipped": self.skipped,
            "counted": self.counted,
            "vocabulary": self.vocabulary,
        }
        self._file.close()
        seal(self._temporary, about)
        with self._temporary.open("rb+") as file:
            os.fsync(file.fileno())
        self._temporary.replace(self.path)

    def _check_labels(self) -> None:
        for name in self._file:
            labels = self._file[name]["labels"][...]
            if not len(labels):
                raise ValueError(f"{name} holds no sample")
            if labels.min() < 0 or labels.max() >= len(self.class_names):
                raise ValueError(
                    f"{name}: labels {labels.min()}..{labels.max()} for {len(self.class_names)} classes"
                )


def content_digests(split: h5py.Group) -> NDArray[np.uint64]:
    """Digest each sample of a split, uint64 ``(N,)``: equal for equal images or equal ids."""
    if "ids" in split:
        ids, offsets = split["ids"][...], split["offsets"][...]
        pieces = (ids[start:stop] for start, stop in pairwise(offsets))
    else:
        images = split["images"]
        pieces = (
            image for start in range(0, len(images), _BLOCK) for image in images[start : start + _BLOCK]
        )
    digests = b"".join(hashlib.blake2b(piece.tobytes(), digest_size=8).digest() for piece in pieces)
    return np.frombuffer(digests, np.uint64)


def _create(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: type[Any]) -> h5py.Dataset:
    return group.create_dataset(name, shape, dtype, fill_time="never")


def _checksum(file: h5py.File) -> str:
    digest = hashlib.sha256()
    parts = [(split, part) for split in SPLITS if split in file for part in ARRAYS]
    for name in [f"{split}/{part}" for split, part in parts if part in file[split]]:
        dataset = file[name]
        digest.update(f"{name} {dataset.dtype.str} {dataset.shape};".encode())
        for start in range(0, len(dataset), _BLOCK):
            digest.update(dataset[start : start + _BLOCK].tobytes())
    return digest.hexdigest()
