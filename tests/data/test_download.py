"""Downloads from a server on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from made_sets import pairs, write_zip
from project import ROOT
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.data import catalog
from pipeline_src.data.sources import download, downloadable
from pipeline_src.errors import UserError


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    return write_zip(tmp_path / "made.zip", pairs(3)).read_bytes()


@contextmanager
def serve(files: dict[str, bytes], length: int | None = None) -> Iterator[str]:
    """The address of a server of these files; `length` is what it says of their size."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if (content := files.get(self.path)) is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(length or len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def entry(address: str, **more):
    raw = {"archive": "a.zip", "images": "Image", "masks": "GT", "download": f"{address}/a.zip", "get": "PAGE"}
    return catalog.load({"mine": raw | more})["mine"]


def test_missing_archives_are_downloaded(tmp_path, archive):
    with serve({"/a.zip": archive, "/b.zip": archive}) as address:
        assert download(entry(address), tmp_path / "new") == [tmp_path / "new/a.zip"]
        assert (tmp_path / "new/a.zip").read_bytes() == archive
        both = entry(address, archive=["a.zip", "b.zip"], download=[f"{address}/a.zip", f"{address}/b.zip"])
        assert download(both, tmp_path / "new") == [tmp_path / "new/b.zip"]
        assert download(both, tmp_path / "new") == []


@pytest.mark.parametrize("data", ["page", "cut"])
def test_a_page_or_a_part_of_an_archive_is_refused(tmp_path, archive, data):
    content, length = (b"<html>", None) if data == "page" else (archive, len(archive) + 10)
    with serve({"/a.zip": content}, length) as address, pytest.raises(UserError, match=r"a\.zip"):
        download(entry(address), tmp_path / "d")
    assert not [*(tmp_path / "d").iterdir()]


def test_the_command_asks_for_the_terms_and_the_set_is_in_order(tmp_path, monkeypatch, archive):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASLP_DOWNLOADS", str(tmp_path / "data"))
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    with serve({"/a.zip": archive}) as address:
        raw = {"archive": "a.zip", "images": "Image", "masks": "GT", "terms": "Ask.", "download": f"{address}/a.zip"}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params | {"datasets": {"mine": raw}}))
        refused = CliRunner().invoke(app, ["data", "get", "mine"], input="n\n")
        assert refused.exit_code == 1 and "Ask." in refused.output and not (tmp_path / "data").exists()
        assert CliRunner().invoke(app, ["data", "get", "mine", "--yes"]).exit_code == 0
    assert "in order; 3 samples" in CliRunner().invoke(app, ["data", "check", "mine"]).output


@pytest.mark.parametrize(("key", "named"), [("download", "PAGE"), ("sha256", "0" * 64)])
def test_an_entry_without_an_address_or_with_another_sha256_is_refused(tmp_path, archive, key, named):
    with serve({"/a.zip": archive}) as address, pytest.raises(UserError, match=named):
        download(entry(address, **{key: [] if key == "download" else named}), tmp_path / "d")
    assert not [*tmp_path.glob("d/*")]


def test_the_catalog_has_addresses():
    found = {name for name, one in catalog.load().items() if downloadable(one)}
    assert found >= {"DUTS-TR", "DUTS-TE", "DUT-OMRON", "ECSSD", "DTD", "VOC2012", "Kvasir-SEG"}
