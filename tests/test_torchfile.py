"""Files of torch.save: tensors and containers come back, and nothing that a stranger adds is run."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from cnnlab.torchfile import NotPlain, read_torch_file

PLAIN = {"w": torch.arange(6.0).reshape(2, 3), "loops": {"a": [1, (2.5, "x", None)]}, "tied": torch.ones(3)}


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_and_containers_come_back(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "x.pt"
    torch.save(PLAIN | {"again": PLAIN["tied"]}, path, _use_new_zipfile_serialization=zipped)
    found = read_torch_file(path)
    assert torch.equal(found["w"], PLAIN["w"])  # type: ignore[arg-type]
    assert found["loops"] == PLAIN["loops"]
    assert found["again"].data_ptr() == found["tied"].data_ptr()


class Call:
    """Pickles as a call."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trap),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_poisoned_file_does_not_run(tmp_path: Path, zipped: bool) -> None:
    path, trap = tmp_path / "x.pt", tmp_path / "trap"
    torch.save({"w": Call(trap)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(pickle.UnpicklingError):
        read_torch_file(path)
    assert not trap.exists()
    torch.load(path, weights_only=False)
    assert trap.exists(), "the trap itself does not work"


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1 << 20)}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as plain, zipfile.ZipFile(tmp_path / "y.pt", "w", 8) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert (tmp_path / "y.pt").stat().st_size < 1 << 14
    assert (
        torch.load(tmp_path / "y.pt", weights_only=True)["w"].numel() == 1 << 20
    )  # torch itself believes it
    with pytest.raises(NotPlain, match="compressed"):
        read_torch_file(tmp_path / "y.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_nests_without_end_is_refused(tmp_path: Path, zipped: bool) -> None:
    path, deep = tmp_path / "x.pt", tmp_path / "deep.pt"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=zipped)
    nested = b"\x80\x02}" + b")" + b"\x85" * 1_000_000 + b"Ns."  # ends the interpreter if it is read
    if zipped:
        with zipfile.ZipFile(path) as plain, zipfile.ZipFile(deep, "w") as other:
            for name in plain.namelist():
                other.writestr(name, nested if name.endswith("data.pkl") else plain.read(name))
    else:
        begin = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {}))
        assert path.read_bytes().startswith(begin[:20])
        deep.write_bytes(begin + nested)
    with pytest.raises(NotPlain, match="nest deeper than 200"):
        read_torch_file(deep)


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")  # torch says that it does
@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(10**12),
        torch.sparse_coo_tensor(torch.tensor([[0]]), torch.ones(1), (10**12,), check_invariants=True),
        torch.zeros(3).to_sparse(),
    ],
)
def test_a_tensor_of_absurd_shape_is_refused(tmp_path: Path, tensor: torch.Tensor) -> None:
    torch.save([{"deep": (tensor,)}], tmp_path / "x.pt")
    with pytest.raises(NotPlain, match="a tensor in it"):
        read_torch_file(tmp_path / "x.pt")


def test_each_flipped_bit_of_a_tensor_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"w": torch.full((100,), 0.5)}, path)
    whole = path.read_bytes()
    begin = whole.index(torch.full((100,), 0.5).numpy().tobytes())
    for place in range(begin, begin + 400, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(NotPlain, match="checksum"):
            read_torch_file(path)


def test_a_container_that_holds_itself_ends(tmp_path: Path) -> None:
    loop: list[object] = [torch.ones(2)]
    loop.append(loop)
    torch.save(loop, tmp_path / "x.pt")
    assert torch.equal(read_torch_file(tmp_path / "x.pt")[0], torch.ones(2))


def test_a_device_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.pt")
    with pytest.raises(NotPlain, match="not a plain file"):
        read_torch_file(tmp_path / "x.pt")
