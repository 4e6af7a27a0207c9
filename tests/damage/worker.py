"""Read damaged files of every kind, each kind in a process of its own with little memory and time.

Run as ``worker.py FOLDER COUNT KIND ...``; it prints one JSON line per kind. See test_damage.py.
"""

import gzip
import importlib.util
import io
import json
import os
import pickle
import resource
import shutil
import signal
import sys
import tarfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from pytorch_lightning import Callback, LightningModule, Trainer

from cnnlab.config.compose import compose
from cnnlab.data.birds import BIRD_CLASSES, list_birds
from cnnlab.data.cifar import CIFAR10_CLASSES, read_cifar
from cnnlab.data.csvfile import read_csv
from cnnlab.data.decoding import Picture, decode_into
from cnnlab.data.input_format import InputFormat
from cnnlab.data.mnist import read_idx
from cnnlab.data.reviews import encode_reviews, read_reviews
from cnnlab.data.spec import DataSpec
from cnnlab.data.store import open_store
from cnnlab.data.store_writer import StoreWriter
from cnnlab.errors import TrainingError, UserError
from cnnlab.export.loading import load as load_network
from cnnlab.models.pretrained import read as read_pretrained
from cnnlab.sealed import BrokenSeal, create, open_sealed, seal
from cnnlab.study.record import CaseRecord, Curves, Record
from cnnlab.study.search import Search, SearchSettings
from cnnlab.study.space import Discrete, Interval, Space
from cnnlab.training.checkpoint_files import load_weights
from cnnlab.training.folder import RunFolder
from cnnlab.training.loggers import EpochRecords
from cnnlab.training.result import Result, read_predictions, write_predictions
from cnnlab.training.resuming import latest

MEMORY = 2 << 30  # bytes beyond what the imports take
SECONDS = 10  # of the processor, for one file
DRAWS = np.random.default_rng(0)
IMAGES = DRAWS.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.int64)
CIFAR = "cifar-10-batches-py"


class Kind(NamedTuple):
    """How a file is made below a folder, read and damaged; reading checks shapes and types."""

    place: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]
    damage: Callable[[bytes, np.random.Generator], bytes] | None = None


def made_store(path: Path) -> None:
    with StoreWriter(path, class_names="abc", source="here", verified=True, options={"size": 32}) as writer:
        writer.add("train", IMAGES, LABELS)
        writer.add("test", IMAGES[:2], LABELS[:2])


def read_store(path: Path) -> None:
    store = open_store(path)
    if store is None:
        return
    for split in store.splits.values():
        images, labels, digests = split.images(), split.labels(), split.digests()
        assert images.dtype == torch.uint8
        assert images.ndim == 4
        assert labels.dtype == np.int64
        assert len(labels) == len(images) == len(digests)
        assert labels.max() < len(store.class_names)


def made_sealed(path: Path) -> None:
    with create(path) as file:
        file["features"] = DRAWS.normal(size=(20, 7)).astype(np.float32)
    seal(path, {"key": "abc"})


def read_sealed(path: Path) -> None:
    try:
        (array,) = open_sealed(path).arrays.values()
        assert array.read().shape == (20, 7)
    except BrokenSeal as error:  # whoever reads such a file writes it anew
        raise UserError(f"{path}: {error}") from error


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.BatchNorm1d(3))


def made_checkpoint(path: Path) -> None:
    torch.save({"state_dict": network().state_dict(), "epoch": 3, "loops": {"a": [1, (2, "x")]}}, path)


def read_checkpoint(path: Path) -> None:
    module = network()
    written = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    torch.nn.init.zeros_(module[0].weight)  # type: ignore[index,arg-type]
    assert isinstance(load_weights(module, path), int)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, written[name]), f"{name} was read, and is not what was written"


TINY = ("data=xor", "model=mlp", "model.hidden=[3]", "trainer=cpu", "logger=none", "schedule=constant")


class Ended(BaseException):
    """What nothing catches."""


class EndsBeforeTheTest(Callback):
    """The test and the figures know nothing of a state."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        raise Ended


def made_state(path: Path) -> None:
    from cnnlab.training.run import run

    run(compose([*TINY, "trainer.max_epochs=2"]), path.parents[1])


def read_state(path: Path) -> None:
    """Go on for two epochs, in a copy of the run's folder."""
    from cnnlab.training.run import run

    place = RunFolder(path.parents[2] / "again")
    shutil.rmtree(place.path, ignore_errors=True)
    shutil.copytree(path.parents[1], place.path)
    cfg = compose([*TINY, "trainer.max_epochs=4"])
    try:
        run(cfg, place.path, start=latest(place), callbacks=[EndsBeforeTheTest()])
    except Ended:
        assert all(epoch > 0 for epoch in place.history()["epoch"])
    except TrainingError as error:  # a loss that is no number
        raise UserError(str(error)) from error


OTHERS: list[Any] = [None, 3, -1, 10**12, 0.5, float("nan"), "abc", [], [{}], {}, {"a": 1}, torch.zeros(3)]


def other_parts(whole: bytes, draws: np.random.Generator) -> bytes:
    """Put something else in place of a part of a state, or of several, in a file that is whole."""
    state = torch.load(io.BytesIO(whole), weights_only=True)
    for _ in range(int(draws.integers(1, 4))):
        places = list(parts_of(state))
        holder, key = places[int(draws.integers(len(places)))]
        number = int(draws.integers(len(OTHERS) + 1))
        if number < len(OTHERS):
            holder[key] = OTHERS[number]
        else:
            del holder[key]
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def parts_of(node: Any) -> Iterator[tuple[Any, Any]]:
    """Each container of a state, with each of its keys."""
    if isinstance(node, (dict, list)):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            yield node, key
            yield from parts_of(node[key])


def made_old_weights(path: Path) -> None:
    torch.save(network().state_dict(), path, _use_new_zipfile_serialization=False)


def read_weights(path: Path) -> None:
    assert all(isinstance(tensor, torch.Tensor) for tensor in read_pretrained(path).values())


def made_idx(path: Path) -> None:
    content = bytes([0, 0, 8, 3]) + np.array([6, 32, 96], ">u4").tobytes() + IMAGES.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def read_idx_file(path: Path) -> None:
    assert read_idx(path).dtype == np.uint8


def cifar_batches() -> dict[str, bytes]:
    pixels = IMAGES.transpose(0, 3, 1, 2).reshape(6, -1)
    batch = pickle.dumps({b"data": pixels, b"labels": [0, 1, 2, 3, 4, 5]}, 2)
    names = pickle.dumps({b"label_names": [name.encode() for name in CIFAR10_CLASSES]}, 2)
    return dict.fromkeys([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], batch) | {
        "batches.meta": names
    }


def made_cifar(path: Path) -> None:
    for name, content in cifar_batches().items():
        (path.parent / name).write_bytes(content)


def read_cifar_of(root: Path) -> None:
    arrays, names = read_cifar(root, "cifar10", verify=False)
    for images, labels in arrays.values():
        assert images.dtype == np.uint8
        assert images.shape[1:] == (32, 32, 3)
        assert labels.dtype == np.int64
        assert 0 <= labels.min() <= labels.max() < len(names)


def packed(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def made_cifar_archive(path: Path) -> None:
    path.write_bytes(gzip.compress(packed({f"{CIFAR}/{n}": c for n, c in cifar_batches().items()})))


def made_reviews(path: Path) -> None:
    texts = {
        f"aclImdb/{split}/{name}/{i}_7.txt": f"a {name} film no. {i} <br /> caf\xe9".encode()
        for split in ("train", "test")
        for name in ("neg", "pos")
        for i in range(3)
    }
    content = packed(texts)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def read_reviews_of(root: Path) -> None:
    for split in encode_reviews(read_reviews(root, verify=False), words=20).splits.values():
        assert split.ids.dtype == np.int32
        assert len(split.offsets) == len(split.labels) + 1


def made_picture(path: Path) -> None:
    Image.fromarray(IMAGES[0]).resize((50, 40)).save(path)


def read_picture(path: Path) -> None:
    store = path.with_name("store.h5")
    with StoreWriter(store, class_names="a", source="", verified=False, options={}) as writer:
        decode_into(writer, {"train": [Picture(path, 0)]}, 8, 3, "raise")
    opened = open_store(store)
    assert opened is not None
    assert opened.splits["train"].images().shape == (1, 8, 8, 3)


def made_csv(path: Path) -> None:
    rows = [f"{i / 3:.3f},{-i},{'red' if i % 2 else 'blue'},{i % 3}" for i in range(30)]
    path.write_text("\n".join(["weight,height,colour,class", *rows]))


def read_csv_file(path: Path) -> None:
    table = read_csv(path, target=-1, missing={"*": ["?"]}, categorical=["colour"])
    assert table.features.dtype == np.float32
    assert table.features.shape == (len(table.targets), len(table.feature_names))


def made_birds(path: Path) -> None:
    folder = path.parent
    lines: dict[str, list[str]] = {
        "images": [],
        "image_class_labels": [],
        "train_test_split": [],
        "bounding_boxes": [],
    }
    for number in range(1, 5):
        name = BIRD_CLASSES[number % 2].replace(" ", "_")
        place = f"{number % 2 + 1:03d}.{name}/{name}_{number}.jpg"
        (folder / "images" / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / "images" / place).touch()
        for file, text in zip(lines, (place, number % 2 + 1, number // 3, "1.0 2.0 30.0 40.0"), strict=True):
            lines[file].append(f"{number} {text}\n")
    for file, written in lines.items():
        (folder / f"{file}.txt").write_text("".join(written))


def made_birds_of_2010(path: Path) -> None:
    """Lists by split of pictures that lie beside them."""
    folder = path.parents[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    for split, numbers in (("train", (1, 2)), ("test", (3, 4))):
        names = [BIRD_CLASSES[number % 2].replace(" ", "_") for number in numbers]
        places = [
            f"{number % 2 + 1:03d}.{name}/{number}.jpg" for number, name in zip(numbers, names, strict=True)
        ]
        for place in places:
            (folder / "images" / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / "images" / place).touch()
        (path.parent / f"{split}.txt").write_text("".join(f"{place}\n" for place in places))


def read_birds(root: Path, version: int = 2011) -> None:
    found = list_birds(root, version, BIRD_CLASSES[:2], crop=version == 2011, verify=False)
    assert all(picture.label in (0, 1) for pictures in found.values() for picture in pictures)


def read_birds_of_2010(root: Path) -> None:
    read_birds(root, 2010)


SPACE = Space(("model=mlp",), (Interval("optimizer.lr", 1e-4, 1e-1, log=True), Discrete("seed", ("1", "2"))))


def open_search(folder: Path) -> Search:
    return Search(SearchSettings(), SPACE, folder, direction="max", base="ab")


def made_search(path: Path) -> None:
    search = open_search(path.parent)
    for trial in search.ask(3):
        run = path.parent / str(trial.number)
        Result("finished", val={"accuracy": 0.5}, followed="val/accuracy").write(run / "result.json")
        search.tell(trial, run)


def read_search(path: Path) -> None:
    """Go on with a search as the sweeper does."""
    search = open_search(path.parent)
    for trial in search.ask(2):
        assert trial.number >= 0
        assert all(isinstance(word, str) for word in trial.overrides)
        search.tell(trial, None)


def made_run(path: Path) -> None:
    place = RunFolder(path.parent)
    place.write_config(compose(["model=mlp", "data=digits"]), ["model=mlp", "data=digits"])
    result = {"status": "finished", "test": {"accuracy": 0.5}, "samples": {"train": 3}, "git": None}
    (path.parent / "result.json").write_text(json.dumps(result))


def read_config(path: Path) -> None:
    assert {"data", "model", "seed"} <= set(RunFolder(path.parent).config())


def read_overrides(path: Path) -> None:
    assert all(isinstance(word, str) for word in RunFolder(path.parent).overrides())


def read_result(path: Path) -> None:
    assert isinstance(RunFolder(path.parent).result(), dict)


def made_predictions(path: Path) -> None:
    outputs = np.full((20, 3), 1 / 3, np.float32)
    targets, rows = DRAWS.integers(0, 3, 20), np.arange(20)
    write_predictions(path, targets=targets, outputs=outputs, rows=rows, class_names=("a", "b", "c"))


def read_predictions_file(path: Path) -> None:
    targets, outputs = read_predictions(path)
    assert (targets.shape, outputs.shape) == ((20,), (20, 3))


def made_metrics(path: Path) -> None:
    rows = [f"{epoch},{1 / epoch},{epoch / 10},{epoch * 1.5}" for epoch in range(1, 6)]
    path.write_text("\n".join(["epoch,train/loss,val/accuracy,seconds", *rows, ""]))


def read_metrics(path: Path) -> None:
    records = EpochRecords(path)
    records.restore(5, 7.5, {})
    assert [row["epoch"] for row in records.rows] == [1, 2, 3, 4, 5]


def made_input_format(path: Path) -> None:
    spec = DataSpec("digits", "image", (1, 8, 8), "classes", 10, tuple("0123456789"))
    RunFolder(path.parent).write_input_format(InputFormat(spec=spec))


def read_input_format(path: Path) -> None:
    assert len(RunFolder(path.parent).input_format().spec.input_shape) == 3


def made_export(path: Path) -> None:
    """Export a run of one epoch on the exclusive or."""
    from cnnlab.cli.export import main as export
    from cnnlab.training.run import run

    settings = [
        "data=xor",
        "model=mlp",
        "model.hidden=[3]",
        "trainer=cpu",
        "trainer.max_epochs=1",
        "logger=none",
    ]
    run(compose(settings), path.parent / "run")
    export([str(path.parent / "run"), str(path)])


def read_export(path: Path) -> None:
    predicted = load_network(path).predict(np.array([[0, 1], [1, 1]], np.float32))
    assert (predicted.shape, predicted.dtype) == ((2, 2), np.float32)


def made_record(path: Path) -> None:
    case = CaseRecord(["seed=1"], "ab", [0.5, 0.6], [], [1.0, 2.0], [3, 3], [0.1, 0.2], 7)
    case.curves = Curves([1, 2], {"train/loss": [1.0, 0.5]}, {})
    Record("row", "test/accuracy", {"": case}, {"python": "3"}, "cpu").write(path)


def read_record(path: Path) -> None:
    record = Record.read(path)
    assert all(isinstance(case, CaseRecord) for case in record.cases.values())


def parent(read: Callable[[Path], object], levels: int) -> Callable[[Path], object]:
    return lambda path: read(path.parents[levels - 1])


KINDS = {
    "store": Kind("store.h5", made_store, read_store),
    "features": Kind("features.h5", made_sealed, read_sealed),
    "checkpoint": Kind("best.ckpt", made_checkpoint, read_checkpoint),
    "state": Kind("run/checkpoints/last.ckpt", made_state, read_state, other_parts),
    "weights": Kind("weights.pth", made_old_weights, read_weights),
    "idx": Kind("x-idx3-ubyte", made_idx, read_idx_file),
    "idx.gz": Kind("x-idx3-ubyte.gz", made_idx, read_idx_file),
    "pickle": Kind(f"{CIFAR}/data_batch_1", made_cifar, parent(read_cifar_of, 2)),
    "pickle names": Kind(f"{CIFAR}/batches.meta", made_cifar, parent(read_cifar_of, 2)),
    "pickles.tar.gz": Kind("cifar-10-python.tar.gz", made_cifar_archive, parent(read_cifar_of, 1)),
    "reviews.tar": Kind("aclImdb_v1.tar", made_reviews, parent(read_reviews_of, 1)),
    "reviews.tar.gz": Kind("aclImdb_v1.tar.gz", made_reviews, parent(read_reviews_of, 1)),
    **{
        f"picture.{x}": Kind(f"1.{x}", made_picture, read_picture)
        for x in ("jpg", "png", "ppm", "bmp", "tif", "gif", "webp")
    },
    "csv": Kind("table.csv", made_csv, read_csv_file),
    **{
        name: Kind(f"CUB_200_2011/{file}.txt", made_birds, parent(read_birds, 2))
        for name, file in (
            ("birds", "images"),
            ("boxes", "bounding_boxes"),
            ("birds' classes", "image_class_labels"),
            ("birds' splits", "train_test_split"),
        )
    },
    "birds of 2010": Kind("CUB_200_2010/lists/train.txt", made_birds_of_2010, parent(read_birds_of_2010, 3)),
    "config": Kind("config.yaml", made_run, read_config),
    "overrides": Kind("overrides.yaml", made_run, read_overrides),
    "result": Kind("result.json", made_run, read_result),
    "predictions": Kind("predictions.h5", made_predictions, read_predictions_file),
    "metrics": Kind("metrics.csv", made_metrics, read_metrics),
    "input format": Kind("data.json", made_input_format, read_input_format),
    **{
        f"export.{x}": Kind(f"network.{x}", made_export, read_export)
        for x, package in (("h5", "h5py"), ("safetensors", "safetensors"), ("onnx", "onnxruntime"))
        if importlib.util.find_spec(package)
    },
    "record": Kind("row.json", made_record, read_record),
    **({"search": Kind("search.db", made_search, read_search)} if importlib.util.find_spec("optuna") else {}),
}


def damaged(whole: bytes, draws: np.random.Generator) -> bytes:
    """Flip, cut, swap, overwrite or repeat, once or several times."""
    content = bytearray(whole)
    for _ in range(int(draws.integers(1, 4))):
        first, second = sorted(draws.integers(0, len(content) + 1, 2).tolist())
        length = int(draws.integers(1, 40))
        match int(draws.integers(6)):
            case 0:
                for place in draws.integers(0, max(1, len(content)), int(draws.integers(1, 9))).tolist():
                    content[place : place + 1] = (
                        bytes([content[place] ^ 1 << int(draws.integers(8))]) if content else b""
                    )
            case 1:
                del content[first:]
            case 2:
                del content[first : first + length]
            case 3:
                content[first : first + length], content[second : second + length] = (
                    content[second : second + length],
                    content[first : first + length],
                )
            case 4:
                content[first : first + length] = draws.choice([b"\0", b"\xff", b"[", b"9", b"{"]) * length
            case 5:
                content[first:first] = content[first : first + length % 5] * int(draws.integers(1, 3000))
    return bytes(content)


def read_all(name: str, folder: Path, count: int) -> dict[str, Any]:
    """Read so many damaged files of a kind; say how many were refused, or what went wrong."""
    kind = KINDS[name]
    path = folder / kind.place
    path.parent.mkdir(parents=True, exist_ok=True)
    kind.make(path)
    kind.read(path)
    whole, refused = path.read_bytes(), 0
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for number in range(count):
        draws = np.random.default_rng([number, *name.encode()])
        while (content := (kind.damage or damaged)(whole, draws)) == whole:
            pass
        path.write_bytes(content)
        (folder / "number").write_text(str(number))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            kind.read(path)
        except UserError as error:
            refused += 1
            if "\n" in str(error) or len(str(error)) > 1000:
                return {"number": number, "failure": f"not a sentence: {error}"}
        except BaseException:
            return {"number": number, "failure": traceback.format_exc()}
        signal.setitimer(signal.ITIMER_PROF, 0)
    return {"refused": refused, "read": count - refused}


def main(folder: Path, count: int, names: list[str]) -> None:
    torch.set_num_threads(1)
    os.fsync = lambda _: None  # of thousands of stores, that only this program reads
    for name in names:
        place = folder / name
        place.mkdir()
        said = place / "said.json"
        child = os.fork()
        if not child:
            os.dup2(2, 1)  # only what became of it goes to the one who reads
            said.write_text(json.dumps(read_all(name, place, count)))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status or not said.exists():
            number = (place / "number").read_text() if (place / "number").exists() else "none"
            print(json.dumps({"kind": name, "number": number, "failure": f"ended with {status}"}), flush=True)
        else:
            print(json.dumps({"kind": name} | json.loads(said.read_text())), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or list(KINDS))
