"""Downloads from a server on this machine."""

from __future__ import annotations

import hashlib
import io
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from made_sets import pairs, write_zip
from project import ROOT
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.data import catalog
from pipeline_src.data import download as module
from pipeline_src.data.download import archives, download
from pipeline_src.errors import UserError


def zipped(content: bytes) -> bytes:
    """An archive of one file."""
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr(zipfile.ZipInfo("a"), content)  # a fixed date: made again, the same bytes
    return file.getvalue()


CONTENT = zipped(bytes(range(256)) * 2000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What a server gives, and what it was asked for.

    Attributes:
        files: path -> content, or a status to answer with.
        cut: bytes after which each of the next answers breaks off.
        tag: that its files are the same; None if it does not tell.
        ranges: whether it gives parts of a file.
        kind: content type.
        size: whether it tells the size.
    """

    files: dict[str, bytes | int]
    cut: list[int] = field(default_factory=list)
    tag: str | None = '"1"'
    ranges: bool = True
    kind: str = "application/zip"
    size: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serve(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append((self.path, wanted := self.headers["Range"]))
            content = server.files.get(self.path, 404)
            if isinstance(content, int):
                self.send_error(content)
                return
            same = server.ranges and wanted and self.headers["If-Range"] == server.tag
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if same else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if same else 200)
            if same:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if server.size:
                self.send_header("Content-Length", str(len(content) - start))
            self.send_header("Content-Type", server.kind)
            if server.tag:
                self.send_header("ETag", server.tag)
            self.end_headers()
            end = start + server.cut.pop(0) if server.cut else None
            self.wfile.write(content[start:end])

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.address = f"http://127.0.0.1:{http.server_port}"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(module, "WAIT", 0)
    monkeypatch.setattr(module, "BLOCK", 1 << 14)


def entry(server: Server, **more):
    raw = {"archive": "a.zip", "images": "Image", "masks": "GT", "download": f"{server.address}/a.zip", "get": "PAGE"}
    return catalog.load({"mine": raw | more})["mine"]


def quiet(*_):
    pass


def left(folder: Path) -> list[str]:
    """The visible files of a folder."""
    return sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))


def test_an_archive_is_downloaded_and_its_progress_told(tmp_path):
    told = []
    with serve(Server({"/a.zip": CONTENT})) as server:
        made = download(entry(server, sha256=SHA256), tmp_path / "new", lambda *of: told.append(of))
    assert made == [tmp_path / "new" / "a.zip"] and made[0].read_bytes() == CONTENT
    assert left(tmp_path / "new") == ["a.zip"]
    assert told[-1] == ("a.zip", len(CONTENT), len(CONTENT)) and len(told) > 10
    assert [here for _, here, _ in told] == sorted({here for _, here, _ in told})


def test_what_is_there_is_not_downloaded_again(tmp_path):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "a.zip").write_bytes(b"mine")
    with serve(Server({"/b.zip": CONTENT})) as server:
        both = {"archive": ["a.zip", "b.zip"], "download": [f"{server.address}/{n}.zip" for n in "ab"]}
        made = download(entry(server, **both), tmp_path, quiet)
        assert made == [tmp_path / "b.zip"] and [path for path, _ in server.asked] == ["/b.zip"]
        assert download(entry(server, **both), tmp_path, quiet) == []


def test_a_broken_connection_goes_on_where_it_broke(tmp_path):
    with serve(Server({"/a.zip": CONTENT}, cut=[100_000, 50_000])) as server:
        (made,) = download(entry(server), tmp_path, quiet)
    assert made.read_bytes() == CONTENT
    assert server.asked == [("/a.zip", None), ("/a.zip", "bytes=100000-"), ("/a.zip", "bytes=150000-")]


def test_a_stopped_download_is_kept_and_gone_on_with_later(tmp_path):
    with serve(Server({"/a.zip": CONTENT}, cut=[100_000, 0, 0])) as server:
        with pytest.raises(UserError, match=r"ended after 100,000 of 512,100 bytes(.|\n)*are kept in") as error:
            download(entry(server), tmp_path, quiet)
        assert left(tmp_path) == ["a.zip.part"] and "PAGE" in str(error.value)
        download(entry(server), tmp_path, quiet)
    assert left(tmp_path) == ["a.zip"] and (tmp_path / "a.zip").read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.zip", "bytes=100000-")


@pytest.mark.parametrize("change", [{"tag": '"2"'}, {"ranges": False}, {"tag": None}])
def test_another_version_is_begun_anew(tmp_path, change):
    """The server has another file by now, gives no parts, or cannot tell whether the file is the same."""
    with serve(Server({"/a.zip": CONTENT[::-1]}, cut=[100_000, 0, 0])) as server, pytest.raises(UserError):
        download(entry(server), tmp_path, quiet)
    with serve(Server({"/a.zip": CONTENT}, **change)) as server:
        (made,) = download(entry(server), tmp_path, quiet)
    assert made.read_bytes() == CONTENT


def test_a_file_that_became_shorter_is_begun_anew(tmp_path):
    with serve(Server({"/a.zip": CONTENT}, cut=[100_000, 0, 0])) as server, pytest.raises(UserError):
        download(entry(server), tmp_path, quiet)
    with serve(Server({"/a.zip": zipped(b"short")})) as server:
        (made,) = download(entry(server), tmp_path, quiet)
    assert made.read_bytes() == zipped(b"short")


def test_a_mirror_is_asked_after_the_authors(tmp_path):
    with serve(Server({"/a.zip": 503, "/copy.zip": CONTENT})) as server:
        mirrored = entry(server, mirror=f"{server.address}/copy.zip", sha256=SHA256)
        assert [of.addresses for of in archives(mirrored)] == [
            (f"{server.address}/a.zip", f"{server.address}/copy.zip")
        ]
        (made,) = download(mirrored, tmp_path, quiet)
    assert made.read_bytes() == CONTENT and [path for path, _ in server.asked] == ["/a.zip", "/copy.zip"]


def test_a_mirror_of_another_file_is_refused(tmp_path):
    with serve(Server({"/copy.zip": CONTENT + b"!"})) as server:
        mirrored = entry(server, mirror=f"{server.address}/copy.zip", sha256=SHA256)
        with pytest.raises(UserError, match=r"answers 404(.|\n)*copy.zip: it is another file, sha256"):
            download(mirrored, tmp_path, quiet)
    assert left(tmp_path) == []


@pytest.mark.parametrize("kind", ["size", "page"])
def test_what_may_be_half_or_no_archive_is_refused(tmp_path, kind):
    change = {"size": {"size": False}, "page": {"kind": "text/html; charset=utf-8"}}[kind]
    words = {"size": "does not tell its size", "page": "a web page is there"}[kind]
    with serve(Server({"/a.zip": CONTENT}, **change)) as server, pytest.raises(UserError, match=words):
        download(entry(server), tmp_path, quiet)
    assert left(tmp_path) == []


def gz(content: bytes) -> bytes:
    """The same as a tar.gz."""
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w:gz") as archive:
        info = tarfile.TarInfo("a")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "the connection broke: Remote end closed"),
        (b"hello\r\n\r\n", "the connection broke: hello"),
        (HEAD + b"X: 1\r\n" * 200 + b"\r\n", "the connection broke: got more than"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nxx", "the connection broke: IncompleteRead"),
        (HEAD + b"Content-Length: many\r\n\r\nxx", "does not tell its size"),
        (HEAD + b"Content-Length: -5\r\n\r\nxx", "does not tell its size"),
        (HEAD + b"Content-Length: 0\r\n\r\n", "an empty file is there"),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/hostname\r\n\r\n", "302(.|\n)*is not allowed"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1:9/a.zip\r\n\r\n",
            "sends on to ftp://127(.|\n)*not a web address",
        ),
        (HEAD + b"Content-Length: 9000\r\n\r\n" + CONTENT, "not a complete zip or tar archive"),
        (HEAD + b"Content-Length: 1500\r\n\r\n" + gz(CONTENT), "not a complete zip or tar archive: EOFError"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[x\r\n\r\n", "not a web address"),
    ],
)
def test_what_a_server_sends_wrong_is_told(tmp_path, answer, words):
    """Byte by byte, as no library would send it; nothing gets the archive's name."""

    def answers() -> None:
        with suppress(OSError):  # closed below
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answers, daemon=True).start()
        server = Server({}, address=f"http://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(UserError, match=words):
            download(entry(server), tmp_path, quiet)
        listening.shutdown(socket.SHUT_RDWR)
    assert "a.zip" not in left(tmp_path)


def test_a_damaged_note_of_the_version_is_no_version(tmp_path):
    (tmp_path / "a.zip.part").write_bytes(b"x")
    (tmp_path / ".a.zip.part.version").write_bytes(b"\xff\x00\n")
    with serve(Server({"/a.zip": CONTENT})) as server:
        (made,) = download(entry(server), tmp_path, quiet)
    assert made.read_bytes() == CONTENT


def test_the_command_asks_for_the_terms_and_the_set_is_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASLP_DOWNLOADS", str(tmp_path / "data"))
    write_zip(tmp_path / "made.zip", pairs(3))
    with serve(Server({"/a.zip": (tmp_path / "made.zip").read_bytes()})) as server:
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        of = {
            "archive": "a.zip",
            "images": "Image",
            "masks": "GT",
            "terms": "Ask me.",
            "download": f"{server.address}/a.zip",
        }
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params | {"datasets": {"mine": of}}))
        refused = CliRunner().invoke(app, ["data", "get", "mine"], input="n\n")
        assert refused.exit_code == 1 and "terms: Ask me." in refused.output and not (tmp_path / "data").exists()
        assert CliRunner().invoke(app, ["data", "get", "mine", "--yes"]).exit_code == 0
        assert "is in" in CliRunner().invoke(app, ["data", "get", "mine"]).output
    assert "in order; 3 samples" in CliRunner().invoke(app, ["data", "check", "mine"]).output


def test_the_addresses_of_the_catalogue_fit_its_archives():
    downloadable = {name: of for name, one in catalog.load().items() if (of := archives(one))}
    assert downloadable.keys() >= {"DUTS-TR", "DUTS-TE", "DUT-OMRON", "ECSSD", "DTD", "VOC2012", "Kvasir-SEG"}
    assert all(len(of.addresses) == 1 or of.sha256 for each in downloadable.values() for of in each)
