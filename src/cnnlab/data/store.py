"""Prepared data sets: one HDF5 file each, read into memory or memory-mapped."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from cnnlab.errors import UserError

FORMAT_VERSION = 2
SPLITS = ("train", "val", "test")
# What a split may consist of, in the order of the checksum: images and labels, or token ids and labels.
ARRAYS = ("images", "ids", "offsets", "labels")
Option = str | int | float | bool


@dataclass(frozen=True)
class StoredSplit:
    """One split of a store: its arrays are read when they are asked for.

    Args:
        path: the store's file.
        name: ``train``, ``val`` or ``test``.
        shape: shape of the images, ``(N, H, W, C)``; of texts ``(N,)``.
    """

    path: Path
    name: str
    shape: tuple[int, ...]

    def labels(self) -> NDArray[np.int64]:
        """Return the labels, int64 ``(N,)``."""
        with _reading(self.path) as file:
            labels: NDArray[np.int64] = _array(file, self.path, self.name, "labels")[...]
            return labels

    def digests(self) -> NDArray[np.uint64]:
        """Return a digest of each sample's content, uint64 ``(N,)``: equal samples have equal ones."""
        with _reading(self.path) as file:
            digests: NDArray[np.uint64] = _array(file, self.path, self.name, "digests")[...]
            return digests

    def ids(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the token ids, int32, and the offsets of the samples, int64 ``(N + 1,)``."""
        with _reading(self.path) as file:
            ids, offsets = (_array(file, self.path, self.name, part)[...] for part in ("ids", "offsets"))
            return ids, offsets

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
    """What a prepared file holds.

    ``checksum`` is of its arrays, ``skipped`` names unreadable files, and ``counted`` are remarks by split:
    ``{"bad bytes": {"train": 3, "test": 0}}``.
    """

    path: Path
    class_names: tuple[str, ...]
    source: str
    verified: bool
    options: dict[str, Option]
    checksum: str
    skipped: tuple[str, ...]
    vocabulary: tuple[str, ...]
    counted: dict[str, dict[str, int]]
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
            vocabulary=_vocabulary(file, path) if "vocabulary" in names else (),
            counted=_json(attributes, "counted", dict) if "counted" in attributes else {},
            splits={name: StoredSplit(path, name, ()) for name in SPLITS if name in names},
        )
        if "train" not in store.splits:
            raise _broken(path, "it holds no train split")
        for name in store.splits:
            store.splits[name] = _split(file, path, name, len(store.class_names))
    return store


def _split(file: h5py.File, path: Path, name: str, classes: int) -> StoredSplit:
    labels = _array(file, path, name, "labels")  # the first, since it refuses a link in place of the group
    count = len(labels)
    if "ids" in set(file[name]):
        ids, offsets = (_array(file, path, name, part) for part in ("ids", "offsets"))
        if ids.dtype != np.int32 or ids.ndim != 1 or not are_offsets(offsets[...], len(ids)):
            raise _broken(path, f"{name}/ids and offsets do not fit each other")
        shape: tuple[int, ...] = (len(offsets) - 1,)
    else:
        images = _array(file, path, name, "images")
        if images.dtype != np.uint8 or images.ndim != 4 or images.id.get_offset() is None:
            raise _broken(path, f"{name}/images is not uint8 of four dimensions")
        shape = images.shape
    if labels.dtype != np.int64 or labels.shape != shape[:1]:
        raise _broken(path, f"{name}/labels is not one int64 per sample")
    digests = _array(file, path, name, "digests")
    if digests.dtype != np.uint64 or digests.shape != (count,):
        raise _broken(path, f"{name}/digests is not one uint64 per sample")
    values = labels[...]
    if values.min() < 0 or values.max() >= classes:
        raise _broken(path, f"{name}/labels goes beyond its {classes} classes")
    return StoredSplit(path, name, shape)


def _vocabulary(file: h5py.File, path: Path) -> tuple[str, ...]:
    words = _array(file, path, "", "vocabulary")
    if words.dtype != np.uint8 or words.ndim != 1:
        raise _broken(path, "vocabulary is not text")
    return tuple(words[...].tobytes().decode().split("\n"))


def are_offsets(offsets: NDArray[np.int64], total: int) -> bool:
    """Whether these are the limits of samples that lie one after the other, ``total`` numbers in all."""
    fits = offsets.dtype == np.int64 and offsets.ndim == 1 and len(offsets) > 1
    return bool(fits and offsets[0] == 0 and offsets[-1] == total and (np.diff(offsets) >= 0).all())


def _array(file: h5py.File, path: Path, split: str, name: str) -> h5py.Dataset:
    # Links, external and virtual storage have HDF5 read other files, and filters have it load plug-ins.
    where = f"{split}/{name}".lstrip("/")
    for part in filter(None, (split, where)):
        if not isinstance(file.get(part, getlink=True), h5py.HardLink):
            raise _broken(path, f"{part} is a link, not data")
    dataset = file[where]
    if not isinstance(dataset, h5py.Dataset) or dataset.id.get_create_plist().get_nfilters():
        raise _broken(path, f"{where} is not plain data")
    if dataset.external or dataset.is_virtual or dataset.chunks:
        raise _broken(path, f"{where} is not stored in one piece inside the file")
    return dataset


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
