"""CIFAR-10 and CIFAR-100, read from their Python batches (https://www.cs.toronto.edu/~kriz/cifar.html)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.archives import read_members
from cnnlab.data.raw import Arrays, check_md5, download, read_plain
from cnnlab.data.spec import DataSpec
from cnnlab.data.store_writer import StoreWriter
from cnnlab.data.stored import ImageDataModule
from cnnlab.data.unpickle import load_pickle
from cnnlab.errors import UserError, did_you_mean

_LARGEST = 1 << 28  # bytes; the largest batch has 155 million, a damaged archive may declare more

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CIFAR100_CLASSES = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl",
    "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair",
    "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin",
    "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp",
    "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck",
    "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
    "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television",
    "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf",
    "woman", "worm",
)  # fmt: skip


def read_cifar(
    root: Path, variant: Literal["cifar10", "cifar100"], verify: bool
) -> tuple[Arrays, tuple[str, ...]]:
    """Read train and test from the unpacked folder or the archive in ``root``, else fetch the archive.

    Args:
        root: folder of raw files, as torchvision lays it out; the archive is read in place.
        variant: which of the two data sets; of CIFAR-100 the fine labels.
        verify: compare the files with torchvision's checksums.

    Returns:
        ``train`` and ``test`` (images uint8 ``(N, 32, 32, 3)``, labels int64 ``(N,)``), and the names of the
        classes in this copy.

    Raises:
        UserError: if files are missing and cannot be fetched, are damaged, or are not the official ones.
    """
    import torchvision.datasets  # seconds to import

    layout = getattr(torchvision.datasets, variant.upper())
    labels_key = "labels" if variant == "cifar10" else "fine_labels"
    meta = layout.meta["filename"]
    where, files = _locate(root, layout, verify)
    names: tuple[str, ...] = ()
    batches = {}
    for name, content in files:
        entry = load_pickle(content, str(where / name))
        if name == meta:
            names = _class_names(entry, layout.meta["key"], where / name)
        else:
            batches[name] = _batch(entry, labels_key, where / name)
    arrays = {}
    for split, listed in (("train", layout.train_list), ("test", layout.test_list)):
        images, labels = zip(*(batches[name] for name, _ in listed), strict=True)
        arrays[split] = (np.concatenate(images), np.concatenate(labels))
        if not _within(arrays[split][1], len(names)):
            raise UserError(
                f"{where}: the {split} labels go beyond the {len(names)} classes that {meta} names"
            )
    return arrays, names


def choose_classes(names: Sequence[str], classes: int | Sequence[str] | None) -> tuple[str, ...]:
    """Take the first so many of the names, or the named ones in the order given, or all.

    Raises:
        UserError: if there are fewer, or none of such a name.

    Examples:
        >>> choose_classes(["ant", "bee", "cat"], 2), choose_classes(["ant", "bee", "cat"], ["cat", "ant"])
        (('ant', 'bee'), ('cat', 'ant'))
    """
    if classes is None:
        return tuple(names)
    if isinstance(classes, int):
        if not 2 <= classes <= len(names):
            raise UserError(
                f"data.classes={classes}: the data set has {len(names)} classes, and 2 are least."
            )
        return tuple(names[:classes])
    for name in classes:
        if name not in names:
            raise UserError(f"data.classes: no class is called {name}{did_you_mean(name, names) or '.'}")
    if len(set(classes)) < max(2, len(classes)):
        raise UserError(f"data.classes=[{','.join(classes)}]: two different names or more are needed.")
    return tuple(classes)


def _locate(root: Path, layout: Any, verify: bool) -> tuple[Path, Iterator[tuple[str, bytes]]]:  # noqa: ANN401 -- a torchvision class
    listed = dict([*layout.train_list, *layout.test_list, [layout.meta["filename"], layout.meta["md5"]]])
    folder, archive = root / layout.base_folder, root / layout.filename
    if folder.is_dir():
        return folder, _from_folder(folder, listed, verify)
    if not archive.is_file():
        download([layout.url], root, layout.filename, layout.tgz_md5, dataset=layout.__name__)
    elif verify:
        check_md5(archive, layout.tgz_md5)
    return archive, _from_archive(archive, layout.base_folder, listed)


def _from_folder(folder: Path, listed: dict[str, str], verify: bool) -> Iterator[tuple[str, bytes]]:
    for name, md5 in listed.items():
        content = read_plain(folder / name, _LARGEST)
        if verify:
            check_md5(folder / name, md5)
        yield name, content


def _from_archive(archive: Path, base: str, listed: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    missing = {f"{base}/{name}": name for name in listed}
    for member, content in read_members(archive, lambda name: name.removeprefix("./") in missing, _LARGEST):
        yield missing.pop(member.removeprefix("./")), content
    if missing:
        raise UserError(f"{archive} holds no {', '.join(missing)}")


def _class_names(entry: object, key: str, path: Path) -> tuple[str, ...]:
    names = _value(entry, key, path)
    if not isinstance(names, list) or not names or not all(isinstance(name, bytes | str) for name in names):
        raise UserError(f"{path}: {key} is not a list of names")
    return tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names)


def _batch(entry: object, key: str, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    pixels, labels = _value(entry, "data", path), _value(entry, key, path)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (3072,):
        raise UserError(f"{path}: data is not a uint8 array of shape (N, 3072)")
    if not isinstance(labels, list) or len(labels) != len(pixels) or not all(type(x) is int for x in labels):
        raise UserError(f"{path}: {key} is not a list of {len(pixels)} whole numbers")
    images = np.asarray(pixels).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.array(labels, np.int64)


def _value(entry: object, key: str, path: Path) -> object:
    # Python 2 wrote the keys as bytes; a copy written anew may have them as text.
    if isinstance(entry, dict):
        for spelled in (key.encode(), key):
            if spelled in entry:
                value: object = entry[spelled]
                return value
    raise UserError(f"{path} holds no {key}")


def _within(labels: NDArray[np.int64], classes: int) -> bool:
    return bool(labels.size and labels.min() >= 0 and labels.max() < classes)


@dataclass(kw_only=True, eq=False, repr=False)
class CIFAR10(ImageDataModule):
    """Data module of CIFAR-10 (Krizhevsky 2009).

    Args:
        classes: the first so many, or some by name in the order given; None is all.

    Examples:
        >>> CIFAR10(classes=["cat", "dog"]).spec.class_names
        ('cat', 'dog')
    """

    dataset_name: ClassVar[Literal["cifar10", "cifar100"]] = "cifar10"
    all_classes: ClassVar[tuple[str, ...]] = CIFAR10_CLASSES

    classes: int | Sequence[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._class_names = choose_classes(self.all_classes, self.classes)

    @property
    def spec(self) -> DataSpec:
        """Colour images of the chosen classes."""
        names = self._class_names
        return DataSpec(self.dataset_name, "image", (3, 32, 32), "classes", len(names), names)

    @property
    def raw_files(self) -> tuple[str, ...]:
        """The unpacked folder, or the archive."""
        return (f"cifar-{self.dataset_name.removeprefix('cifar')}-*py*",)

    def write(self, writer: StoreWriter) -> None:
        """Store train and test with all classes that the files hold."""
        arrays, writer.class_names = read_cifar(self.raw_root, self.dataset_name, self.verify)
        for split, (images, labels) in arrays.items():
            writer.add(split, images, labels)


@dataclass(kw_only=True, eq=False, repr=False)
class CIFAR100(CIFAR10):
    """Data module of CIFAR-100 with its fine labels (Krizhevsky 2009)."""

    dataset_name: ClassVar[Literal["cifar10", "cifar100"]] = "cifar100"
    all_classes: ClassVar[tuple[str, ...]] = CIFAR100_CLASSES
