"""Raw files: their places, their checksums, and downloads that end well or leave nothing."""

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cnnlab import downloads
from cnnlab.data import raw
from cnnlab.errors import UserError

CONTENT = b"official " * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()  # noqa: S324


class Mirror(BaseHTTPRequestHandler):
    """Serves the file, something else, or only its beginning."""

    def do_GET(self) -> None:
        body = {"/file": CONTENT, "/cut": CONTENT[:100], "/wrong": b"something else"}.get(
            self.path.partition("?")[0]
        )
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT if self.path == "/cut" else body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    server = HTTPServer(("127.0.0.1", 0), Mirror)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address where nobody listens."""
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_default_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CNNLAB_DATA", "~/pictures")
    assert raw.default_root() == Path.home() / "pictures"
    for unset in ("", None):
        monkeypatch.setenv("CNNLAB_DATA", unset) if unset is not None else monkeypatch.delenv("CNNLAB_DATA")
        assert raw.default_root().parts[-2:] == ("cnnlab", "raw")
    assert raw.default_store().parts[-2:] == ("cnnlab", "stores")


def test_checksums(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert raw.md5_of(path) == MD5
    raw.check_md5(path, MD5)
    raw.check_md5(path, hashlib.md5(b"inside").hexdigest(), b"inside")  # noqa: S324
    path.write_bytes(CONTENT + b"x")
    found = hashlib.md5(CONTENT + b"x").hexdigest()  # noqa: S324
    with pytest.raises(UserError) as caught:
        raw.check_md5(path, MD5)
    for part in (str(path), MD5, found, "data.verify=false"):
        assert part in str(caught.value)
    with pytest.raises(UserError, match="of its content"):
        raw.check_md5(path, MD5, b"inside")


def test_a_download(tmp_path: Path, mirror: str) -> None:
    path = raw.download([f"{mirror}/file"], tmp_path / "new" / "folder", "name.gz", MD5, dataset="Set")
    assert path == tmp_path / "new" / "folder" / "name.gz"
    assert path.read_bytes() == CONTENT
    assert sorted(os.listdir(path.parent)) == ["downloads.jsonl", "name.gz"]
    assert socket.getdefaulttimeout() is None


def test_a_later_mirror_helps_out(tmp_path: Path, mirror: str, closed: str) -> None:
    urls = [f"{closed}/file", f"{mirror}/absent", f"{mirror}/wrong", f"{mirror}/cut", f"{mirror}/file"]
    assert raw.download(urls, tmp_path, "name.gz", MD5, dataset="Set").read_bytes() == CONTENT
    assert sorted(os.listdir(tmp_path)) == ["downloads.jsonl", "name.gz"]
    raw.download([f"{mirror}/file"], tmp_path, "again.gz", MD5, dataset="Set")
    noted = [json.loads(line) for line in (tmp_path / "downloads.jsonl").read_text().splitlines()]
    assert [(line["file"], line["url"]) for line in noted] == [
        ("name.gz", f"{mirror}/file"),
        ("again.gz", f"{mirror}/file"),
    ]
    assert {(line["checksum"], line["bytes"]) for line in noted} == {(f"md5:{MD5}", len(CONTENT))}


def test_no_password_is_said_or_noted(tmp_path: Path, mirror: str) -> None:
    def secret(page: str) -> str:
        return f"{mirror}/{page}?token=hidden"

    with pytest.raises(UserError) as caught:
        raw.download([secret("absent"), secret("wrong")], tmp_path, "name.gz", MD5, dataset="Set")
    assert "hidden" not in str(caught.value)
    raw.download([secret("file")], tmp_path, "name.gz", MD5, dataset="Set")
    assert "hidden" not in (tmp_path / "downloads.jsonl").read_text()


@pytest.mark.parametrize("page", ["wrong", "cut", "absent"])
def test_nothing_half_fetched_is_left(tmp_path: Path, mirror: str, page: str) -> None:
    with pytest.raises(UserError, match=f"the download from {mirror}/{page} failed: ."):
        raw.download([f"{mirror}/{page}"], tmp_path, "name.gz", MD5, dataset="Set")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_was_made_for_a_download_goes_with_it(tmp_path: Path, mirror: str) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="failed"):
        raw.download(
            [f"{mirror}/absent"], tmp_path / "mine" / "nosuch" / "raw", "name.gz", MD5, dataset="Set"
        )
    assert os.listdir(tmp_path) == ["mine"]
    assert os.listdir(tmp_path / "mine") == []


def test_no_network_ends_soon_in_a_sentence(tmp_path: Path, closed: str) -> None:
    begun = time.monotonic()
    with pytest.raises(UserError) as caught:
        raw.download([f"{closed}/a", f"{closed}/b"], tmp_path, "name.gz", MD5, dataset="Set")
    assert time.monotonic() - begun < 20
    for part in ("no Set data: put name.gz", MD5, str(tmp_path), f"{closed}/a failed", f"{closed}/b failed"):
        assert part in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_silent_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloads, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/file"
        with pytest.raises(UserError, match="timed out"):
            raw.download([url], tmp_path, "name.gz", MD5, dataset="Set")
    assert socket.getdefaulttimeout() is None


def test_a_folder_that_cannot_be_written(tmp_path: Path, mirror: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"no Set data: put name\.gz.*nothing can be written to"):
        raw.download([f"{mirror}/file"], tmp_path / "file" / "raw", "name.gz", MD5, dataset="Set")


def test_an_interrupted_download_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(url: str, folder: Path, filename: str, md5: str) -> None:
        (folder / filename).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("torchvision.datasets.utils.download_url", interrupted)
    with pytest.raises(KeyboardInterrupt):
        raw.download(["http://127.0.0.1/x"], tmp_path, "name.gz", MD5, dataset="Set")
    assert os.listdir(tmp_path) == []
