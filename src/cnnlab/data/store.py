"""Prepared data sets: one HDF5 file each, written whole or not at all, read into memory or memory-mapped."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from cnnlab.errors import UserError

FORMAT_VERSION = 1
SPLITS = ("train", "val", "test")
Option = str | int | float | bool

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
        self._source = source
        self._verified = verified
        self._options = dict(options)
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        self._pending: dict[str, SplitWriter] = {}

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = h5py.File(self._temporary, "x")
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
        self._file.attrs.update(
            format_version=FORMAT_VERSION,
            class_names=json.dumps(self.class_names),
            source=self._source,
            verified=self._verified,
            options=json.dumps(self._options, sort_keys=True),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            checksum=_checksum(self._file),
            skipped=json.dumps(self.skipped),
        )
        self._file.close()
        with self._temporary.open("rb+") as file:
            os.fsync(file.fileno())
        self._temporary.replace(self.path)

    def _check_labels(self) -> None:
        for name in self._file:
            labels = self._file[name]["labels"][...]
            if not len(labels):
                raise ValueError(f"{name} holds no image")
            if labels.min() < 0 or labels.max() >= len(self.class_names):
                raise ValueError(
                    f"{name}: labels {labels.min()}..{labels.max()} for {len(self.class_names)} classes"
                )


@dataclass(frozen=True)
class StoredSplit:
    """One split of a store: its arrays are read when they are asked for.

    Args:
        path: the store's file.
        name: ``train``, ``val`` or ``test``.
        shape: shape of the images, ``(N, H, W, C)``.
    """

    path: Path
    name: str
    shape: tuple[int, int, int, int]

    def labels(self) -> NDArray[np.int64]:
        """Return the labels, int64 ``(N,)``."""
        with _reading(self.path) as file:
            labels: NDArray[np.int64] = _array(file, self.path, self.name, "labels")[...]
            return labels

    def images(self, mapped: bool = False) -> torch.Tensor:
        """Return the images, uint8 ``(N, H, W, C)``.

        Args:
            mapped: leave them in the file and read what is touched; changes stay in memory.
        """
        with _reading(self.path) as file:
            dataset = _array(file, self.path, self.name, "images")
            if dataset.shape != self.shape:
                raise _broken(self.path, f"{self.name}/images changed while it was in use")
            if not mapped:
                array = np.empty(self.shape, np.uint8)
                dataset.read_direct(array)
                return torch.from_numpy(array)
            offset = dataset.id.get_offset()
        return torch.from_numpy(np.memmap(self.path, np.uint8, "c", offset, self.shape))


@dataclass(frozen=True)
class Store:
    """What a prepared file holds; ``checksum`` is of its arrays, ``skipped`` names unreadable files."""

    path: Path
    class_names: tuple[str, ...]
    source: str
    verified: bool
    options: dict[str, Option]
    checksum: str
    skipped: tuple[str, ...]
    splits: dict[str, StoredSplit]


def open_store(path: Path) -> Store | None:
    """Describe a prepared file, or return None where there is none or it is of another format version.

    Raises:
        UserError: if the file is damaged, or would make HDF5 read some other file.
    """
    if not path.exists():
        return None
    with _reading(path) as file:
        attributes, names = file.attrs, set(file)  # asking `in file` would follow a link
        if int(attributes["format_version"]) != FORMAT_VERSION:
            return None
        store = Store(
            path=path,
            class_names=tuple(_json(attributes, "class_names", list)),
            source=str(attributes["source"]),
            verified=bool(attributes["verified"]),
            options=_json(attributes, "options", dict),
            checksum=str(attributes["checksum"]),
            skipped=tuple(_json(attributes, "skipped", list)),
            splits={name: StoredSplit(path, name, (0, 0, 0, 0)) for name in SPLITS if name in names},
        )
        if "train" not in store.splits:
            raise _broken(path, "it holds no train split")
        for name in store.splits:
            store.splits[name] = _split(file, path, name, len(store.class_names))
    return store


def _split(file: h5py.File, path: Path, name: str, classes: int) -> StoredSplit:
    images = _array(file, path, name, "images")
    labels = _array(file, path, name, "labels")
    if images.dtype != np.uint8 or images.ndim != 4 or images.id.get_offset() is None:
        raise _broken(path, f"{name}/images is not uint8 of four dimensions")
    if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
        raise _broken(path, f"{name}/labels is not one int64 per image")
    values = labels[...]
    if values.min() < 0 or values.max() >= classes:
        raise _broken(path, f"{name}/labels goes beyond its {classes} classes")
    return StoredSplit(path, name, images.shape)


def _array(file: h5py.File, path: Path, split: str, name: str) -> h5py.Dataset:
    # Links, external and virtual storage have HDF5 read other files, and filters have it load plug-ins.
    where = f"{split}/{name}"
    for part in (split, where):
        if not isinstance(file.get(part, getlink=True), h5py.HardLink):
            raise _broken(path, f"{part} is a link, not data")
    dataset = file[where]
    if not isinstance(dataset, h5py.Dataset) or dataset.id.get_create_plist().get_nfilters():
        raise _broken(path, f"{where} is not plain data")
    if dataset.external or dataset.is_virtual or dataset.chunks:
        raise _broken(path, f"{where} is not stored in one piece inside the file")
    return dataset


def _create(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: type[Any]) -> h5py.Dataset:
    return group.create_dataset(name, shape, dtype, fill_time="never")


def _checksum(file: h5py.File) -> str:
    digest = hashlib.sha256()
    for name in [f"{split}/{part}" for split in SPLITS if split in file for part in ("images", "labels")]:
        dataset = file[name]
        digest.update(f"{name} {dataset.dtype.str} {dataset.shape};".encode())
        for start in range(0, len(dataset), _BLOCK):
            digest.update(dataset[start : start + _BLOCK].tobytes())
    return digest.hexdigest()


def _json(attributes: Mapping[str, Any], name: str, kind: type[Any]) -> Any:  # noqa: ANN401 -- `kind`
    value = json.loads(attributes[name])
    if not isinstance(value, kind):
        raise ValueError(f"{name} is not a {kind.__name__}")
    return value


def _broken(path: Path, why: str) -> UserError:
    return UserError(
        f"{path} is not a prepared data set that can be read ({why}); delete that file and run again"
    )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[h5py.File]:
    try:
        # A store never changes once it has its name, and locks fail on some read-only and network drives.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise _broken(path, str(error).strip("'\"")) from error
