"""Data modules whose raw files are read once into an HDF5 store."""

import errno
import hashlib
import json
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import filelock
import numpy as np
import torch

from cnnlab.data.augment import Augment
from cnnlab.data.datamodule import Content, DataModule
from cnnlab.data.raw import default_root, default_store
from cnnlab.data.samples import Images, Samples
from cnnlab.data.splits import Indices
from cnnlab.data.store import Option, Store, broken, open_store
from cnnlab.data.store_writer import StoreWriter
from cnnlab.errors import UserError
from cnnlab.files import require_folder


@dataclass(kw_only=True, eq=False, repr=False)
class StoredDataModule(DataModule):
    """Samples of classes, read once into a store.

    A subclass reads its raw files in :meth:`write`, and names in :attr:`stored_options` the settings that
    change what is stored.

    Args:
        root: folder of the raw files, in torchvision's layouts; it may be read-only. Default: the
            environment variable ``CNNLAB_DATA``, else the user's cache folder.
        store: folder of the prepared HDF5 files. Default: the user's cache folder.
        verify: compare the raw files with the official checksums.

    Raises:
        UserError: where a value is out of range, or (in ``prepare_data``) the files are not right.
    """

    dataset_name: ClassVar[str]

    root: str | Path | None = None
    store: str | Path | None = None
    verify: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.raw_root = Path(self.root).expanduser() if self.root else default_root()
        self.store_folder = Path(self.store).expanduser() if self.store else default_store()
        require_folder("data.root", self.raw_root)
        require_folder("data.store", self.store_folder)
        self._opened: Store | None = None

    @property
    def stored_options(self) -> dict[str, Option]:
        """Settings that change what is stored; stores of other settings lie beside it."""
        return {}

    @abstractmethod
    def write(self, writer: StoreWriter) -> None:
        """Read the raw files and write every split, with all classes that they hold.

        ``writer.class_names`` are the spec's until this method says otherwise.
        """

    @property
    def raw_files(self) -> tuple[str, ...] | None:
        """Patterns of the raw files below the root: each must be met by a file or a folder.

        Empty where none are needed; None where a subclass does not say.
        """
        return None

    @property
    def source(self) -> str:
        """Where the raw files lie, for the store's record."""
        return str(self.raw_root.absolute())

    @property
    def store_path(self) -> Path:
        """The prepared file: the name, and a digest of source and options."""
        identity = json.dumps([self.source, self.stored_options], sort_keys=True)
        digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
        return self.store_folder / f"{self.dataset_name}-{digest}.h5"

    def prepare_data(self) -> None:
        """Write the store unless it is there; a store of unverified files does not do for ``verify``."""
        path = self.store_path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(path.with_suffix(".lock")):
                stored = open_store(path)
                if stored is not None and (stored.verified or not self.verify):
                    return
                # The lock is ours: what lies here was left by a kill.
                for left in path.parent.glob(f".{path.name}.*.tmp"):
                    left.unlink(missing_ok=True)
                with StoreWriter(
                    path,
                    class_names=self.spec.class_names,
                    source=self.source,
                    verified=self.verify,
                    options=self.stored_options,
                ) as writer:
                    self.write(writer)
        except OSError as error:
            if not isinstance(error, PermissionError) and error.errno != errno.EROFS:
                raise
            raise UserError(
                f"data.store={path.parent}: no permission to write there; data.store=FOLDER chooses another."
            ) from error

    @property
    def opened(self) -> Store:
        """The prepared store, once :meth:`prepare_data` has written it."""
        if self._opened is None:
            self._opened = open_store(self.store_path)
        if self._opened is None:
            raise RuntimeError(f"{self.store_path} is not there: call prepare_data first.")
        return self._opened

    def contents(self) -> dict[str, Content]:
        """Classes as the spec counts them, and the digests of the store."""
        return {
            name: Content(self._renumber(part.labels()), part.digests())
            for name, part in self.opened.splits.items()
        }

    def _renumber(self, labels: Indices) -> Indices:
        """Count the classes as the spec names them; -1 is a class that is not used."""
        names = list(self.opened.class_names)
        # Samples without classes to predict are still split by those that they have.
        wanted = self.spec.class_names or names
        missing = [name for name in wanted if name not in names]
        if missing:
            raise UserError(
                f"data.classes: {self.source} holds {len(names)} classes ({names[0]} to {names[-1]}), "
                f"and {missing[0]} is not among them; data.classes={len(names)} uses those that are there."
            )
        number = np.full(len(names), -1, dtype=np.int64)
        number[[names.index(name) for name in wanted]] = np.arange(len(wanted))
        return number[labels]

    def targets(self, stored: str) -> torch.Tensor:
        """Classes int64 ``(n,)`` of a stored split, as the spec counts them."""
        return torch.from_numpy(self._contents[stored].labels)

    def checksum(self) -> str:
        """Digest of the stored arrays."""
        return self.opened.checksum

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files that could not be read and were left out."""
        return self.opened.skipped


@dataclass(kw_only=True, eq=False, repr=False)
class ImageDataModule(StoredDataModule):
    """Images and their classes.

    Args:
        memory: ``load`` the store, ``map`` it, or ``auto``: map what exceeds half of the free memory.
        augment: what is done to training images.
    """

    memory: Literal["auto", "load", "map"] = "auto"
    augment: Augment = field(default_factory=Augment)

    def stored_samples(self, stored: str) -> Images:
        """All images of a stored split.

        Raises:
            UserError: if they are not of the shape that the network is built for.
        """
        chosen = self.opened.splits[stored]
        channels, height, width = self.spec.input_shape
        if chosen.shape[1:] != (height, width, channels):
            held = " x ".join(map(str, chosen.shape[1:])) or "no images"
            raise broken(
                self.opened.path, f"{stored} holds {held}, and this data is {height} x {width} x {channels}"
            )
        size = int(np.prod(chosen.shape))
        mapped = self.maps(size)
        return Images(chosen.images(mapped=mapped), self.targets(stored))

    def maps(self, size: int) -> bool:
        """Whether an array of so many bytes stays in its file."""
        return self.memory == "map" or (self.memory == "auto" and size > _free_memory() // 2)

    def for_training(self, samples: Samples) -> Samples:
        """Augment the images."""
        return samples.augmented(self.augment) if isinstance(samples, Images) else samples


def _free_memory() -> int:
    """Bytes that can be allocated without swapping; where the system does not say, 8 GiB."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 8 << 30
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
