"""Prepared data sets: one HDF5 file each, read into memory or memory-mapped."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from cnnlab.errors import UserError, reason
from cnnlab.sealed import SealedArray, SealedFile, is_unsealed_hdf5, open_sealed

FORMAT_VERSION = 3
SPLITS = ("train", "val", "test")
# What a split may consist of, in the order of the checksum: images and labels, or token ids and labels.
ARRAYS = ("images", "ids", "offsets", "labels")
Option = str | int | float | bool


@dataclass(frozen=True)
class StoredSplit:
    """One split of a store: its arrays are read when they are asked for.

    Args:
        file: the store's file.
        name: ``train``, ``val`` or ``test``.
        shape: shape of the images, ``(N, H, W, C)``; of texts ``(N,)``.
    """

    file: SealedFile
    name: str
    shape: tuple[int, ...]

    def labels(self) -> NDArray[np.int64]:
        """Return the labels, int64 ``(N,)``."""
        return self._read("labels")

    def digests(self) -> NDArray[np.uint64]:
        """Return a digest of each sample's content, uint64 ``(N,)``: equal samples have equal ones."""
        return self._read("digests")

    def ids(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the token ids, int32, and the offsets of the samples, int64 ``(N + 1,)``."""
        return self._read("ids"), self._read("offsets")

    def images(self, mapped: bool = False) -> torch.Tensor:
        """Return the images, uint8 ``(N, H, W, C)``.

        Args:
            mapped: leave them in the file and read what is touched; changes stay in memory. Only what is
                read into memory is compared with its checksum.
        """
        if not mapped:
            return torch.from_numpy(self._read("images"))
        with _reading(self.file.path):
            return torch.from_numpy(self.file.arrays[f"{self.name}/images"].map())

    def _read(self, part: str) -> NDArray[Any]:
        with _reading(self.file.path):
            return self.file.arrays[f"{self.name}/{part}"].read()


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
        UserError: if the file is damaged.
    """
    if not path.exists():
        return None
    with _reading(path):
        # Those of earlier versions had no seal.
        if is_unsealed_hdf5(path):
            return None
        file = open_sealed(path)
        about = file.about
        if about["format_version"] != FORMAT_VERSION:
            return None
        store = Store(
            path=path,
            class_names=_names(about, "class_names"),
            source=str(about["source"]),
            verified=about["verified"] is True,
            options=_mapping(about, "options"),
            checksum=str(about["checksum"]),
            skipped=_names(about, "skipped"),
            vocabulary=_names(about, "vocabulary"),
            counted={str(what): _numbers(found) for what, found in _mapping(about, "counted").items()},
            splits={},
        )
        for name in SPLITS:
            if f"{name}/labels" in file.arrays:
                store.splits[name] = _split(file, name, len(store.class_names))
    if "train" not in store.splits:
        raise broken(path, "it holds no train split")
    return store


def _split(file: SealedFile, name: str, classes: int) -> StoredSplit:
    if f"{name}/ids" in file.arrays:
        ids, offsets = (_array(file, name, part, dtype, 1) for part, dtype in _TEXTS)
        if not are_offsets(offsets.read(), ids.shape[0]):
            raise broken(file.path, f"{name}/ids and offsets do not fit each other")
        shape: tuple[int, ...] = (offsets.shape[0] - 1,)
    else:
        shape = _array(file, name, "images", np.uint8, 4).shape
    labels, digests = _array(file, name, "labels", np.int64, 1), _array(file, name, "digests", np.uint64, 1)
    if not shape[0] or labels.shape != shape[:1] or digests.shape != shape[:1]:
        raise broken(file.path, f"{name} has no label and digest for each sample")
    values = labels.read()
    if values.min() < 0 or values.max() >= classes:
        raise broken(file.path, f"{name}/labels goes beyond its {classes} classes")
    return StoredSplit(file, name, shape)


_TEXTS = (("ids", np.int32), ("offsets", np.int64))


def _array(file: SealedFile, split: str, part: str, dtype: type[Any], dimensions: int) -> SealedArray:
    array = file.arrays[f"{split}/{part}"]
    if array.dtype != dtype or len(array.shape) != dimensions:
        raise broken(file.path, f"{split}/{part} is not {np.dtype(dtype)} of {dimensions} dimensions")
    return array


def are_offsets(offsets: NDArray[np.int64], total: int) -> bool:
    """Whether these are the limits of samples that lie one after the other, ``total`` numbers in all."""
    fits = offsets.dtype == np.int64 and offsets.ndim == 1 and len(offsets) > 1
    return bool(fits and offsets[0] == 0 and offsets[-1] == total and (np.diff(offsets) >= 0).all())


def _names(about: Mapping[str, Any], key: str) -> tuple[str, ...]:
    if not isinstance(about[key], list) or not all(isinstance(name, str) for name in about[key]):
        raise ValueError(f"{key} is not a list of names")
    return tuple(about[key])


def _mapping(about: Mapping[str, Any], key: str) -> dict[str, Any]:
    if not isinstance(about[key], dict):
        raise ValueError(f"{key} is not a mapping")
    return cast(dict[str, Any], about[key])


def _numbers(found: object) -> dict[str, int]:
    if not isinstance(found, dict) or not all(type(number) is int for number in found.values()):
        raise ValueError("counted is not a mapping of numbers")
    return cast(dict[str, int], found)


def broken(path: Path, why: str) -> UserError:
    """What is said of a prepared file that is not what it should be."""
    return UserError(
        f"{path} is not a prepared data set that can be read ({why}); delete that file and run again"
    )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise broken(path, f"it holds no {error.args[0]}") from error
    except (OSError, ValueError) as error:
        raise broken(path, reason(error)) from error
