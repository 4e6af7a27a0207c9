"""Archives: what is wanted comes out; whatever else a stranger packs is neither written nor unpacked."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnlab.data import archives
from cnnlab.data.archives import read_members
from cnnlab.data.raw import read_plain
from cnnlab.errors import UserError

CONTENT = bytes(range(256)) * 200


def pack(path: Path, *members: tarfile.TarInfo) -> Path:
    mode = "w:gz" if path.suffix == ".gz" else "w:"
    with tarfile.open(path, mode) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(CONTENT) if member.isreg() else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    info.size = len(CONTENT) if kind == tarfile.REGTYPE else 0
    return info


def read(path: Path, largest: int = len(CONTENT)) -> dict[str, bytes]:
    return dict(read_members(path, lambda name: name == "x", largest))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_the_wanted_comes_out_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    path = pack(tmp_path / name, member("y"), member("x"))
    before = sorted(tmp_path.rglob("*"))
    assert read(path) == {"x": CONTENT}
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "evil",
    [
        member("../x"),
        member("/x"),
        member("x/../../y"),
        member("y", tarfile.SYMTYPE, "/etc/passwd"),
        member("y", tarfile.LNKTYPE, "../../y"),
        member("y", tarfile.CHRTYPE),
        member("y", tarfile.FIFOTYPE),
        member("y", tarfile.DIRTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}",
)
def test_what_would_lead_out_is_passed_over(tmp_path: Path, evil: tarfile.TarInfo) -> None:
    path = pack(tmp_path / "a.tar", evil, member("x"))
    assert read(path) == {"x": CONTENT}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE],
)
def test_a_link_or_a_device_in_place_of_a_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = pack(tmp_path / "a.tar", member("x", kind, "/etc/passwd"))
    with pytest.raises(UserError, match=r"x is not a plain file"):
        read(path)


def test_a_larger_member_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar.gz", member("x"))
    with pytest.raises(UserError, match=f"x declares {len(CONTENT)} bytes"):
        read(path, len(CONTENT) - 1)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_LARGEST", 1 << 22)  # or the bomb would have to be one
    path = tmp_path / "bomb.tar.gz"
    head = tarfile.TarInfo("y")
    head.size = 1 << 23
    with gzip.open(path, "wb") as packed:
        packed.write(head.tobuf())
        packed.write(bytes(head.size))
        packed.write(member("x").tobuf() + CONTENT + bytes(10240))
    assert path.stat().st_size < 1 << 15
    with pytest.raises(UserError, match=r"bomb\.tar\.gz cannot be read .*4194304 bytes"):
        read(path)


def test_zeros_without_end_behind_an_archive_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_LARGEST", 1 << 20)
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb") as packed:
        packed.write(member("x").tobuf() + CONTENT + bytes(1 << 21))
    with pytest.raises(UserError, match=r"a\.tar\.gz"):
        read(path)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_huge_header_is_refused(tmp_path: Path, kind: bytes) -> None:
    huge = tarfile.TarInfo("x")
    huge.type, huge.size = kind, 1 << 20  # digits alone take tarfile minutes
    (tmp_path / "a.tar").write_bytes(huge.tobuf() + b"1" * huge.size + bytes(1024))
    with pytest.raises(UserError, match=r"a header in it declares 1048576 bytes"):
        read(tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.symlink_to("/dev/zero"), "is not a plain file"),
        (os.mkfifo, "is not a plain file"),
        (Path.mkdir, "is not a plain file"),
        (lambda path: path.write_bytes(b"12345"), "has 5 bytes, more than the 4"),
        (lambda path: path.symlink_to("nowhere"), "cannot be read: No such file"),
    ],
)
def test_an_unpacked_file_that_is_none(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    make(tmp_path / "x")
    with pytest.raises(UserError, match=said):
        read_plain(tmp_path / "x", 4)
