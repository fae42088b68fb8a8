"""Downloads from a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from made_sets import entry, pairs, write_zip
from project import ROOT
from typer.testing import CliRunner

from pipeline_src.cli.main import app
from pipeline_src.data import catalog
from pipeline_src.data.pairing import find_name_list
from pipeline_src.data.sources import download, download_lists, downloadable
from pipeline_src.errors import UserError

SET = {"archive": "a.zip", "images": "Image", "masks": "GT", "terms": "Ask."}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a server of an archive, of a page in place of an archive, and of the first bytes of an archive."""
    (tmp_path / "server").mkdir()
    whole = write_zip(tmp_path / "server/a.zip", pairs(3)).read_bytes()
    (tmp_path / "server/page.zip").write_text("<html>")
    (tmp_path / "server/cut.zip").write_bytes(whole[:-50])
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "server")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_missing_archives_are_downloaded(tmp_path, address):
    both = entry(**SET | {"archive": ["a.zip", "b.zip"], "download": [f"{address}/a.zip", f"{address}/a.zip"]})
    assert download(both, tmp_path / "new") == [tmp_path / "new/a.zip", tmp_path / "new/b.zip"]
    assert (tmp_path / "new/b.zip").read_bytes() == (tmp_path / "server/a.zip").read_bytes()
    (tmp_path / "new/a.zip").unlink()
    assert download(both, tmp_path / "new") == [tmp_path / "new/a.zip"]


@pytest.mark.parametrize("name", ["page.zip", "cut.zip", "absent.zip", "another", "none"])
def test_a_wrong_file_or_address_is_named_and_leaves_no_file(tmp_path, address, name):
    more = {"another": {"download": f"{address}/a.zip", "sha256": "0" * 64}, "none": {"get": "PAGE"}}
    wrong = entry(**SET | more.get(name, {"download": f"{address}/{name}"}))
    with pytest.raises(UserError, match={"another": "0" * 64, "none": "PAGE"}.get(name, name)):
        download(wrong, tmp_path / "d")
    assert not [*tmp_path.glob("d/*")]


def test_the_command_asks_for_the_terms_and_the_set_is_in_order(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASLP_DOWNLOADS", str(tmp_path / "data"))
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["datasets"] = {"mine": SET | {"download": f"{address}/a.zip"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    refused = CliRunner().invoke(app, ["data", "get", "mine"], input="n\n")
    assert refused.exit_code == 1 and "Ask." in refused.output and not (tmp_path / "data").exists()
    assert CliRunner().invoke(app, ["data", "get", "mine", "--yes"]).exit_code == 0
    assert "in order; 3 samples" in CliRunner().invoke(app, ["data", "check", "mine"]).output


def test_name_lists_come_under_the_names_of_the_splits(tmp_path, monkeypatch, address):
    """Those that are there already, in whatever folder, stay."""
    names = {"a.txt": b"one\ntwo\n", "b.txt": b"three\n", "c.txt": b"four\n"}
    for name, content in names.items():
        (tmp_path / "server" / name).write_bytes(content)
    lists = {
        f"our-{name}": {"download": f"{address}/{name}", "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in names.items()
    }
    (tmp_path / "data/splits").mkdir(parents=True)
    (tmp_path / "data/splits/our-b.txt").write_text("mine\n")
    mine = SET | {"download": f"{address}/a.zip", "lists": lists}
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params | {"datasets": {"mine": mine}}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASLP_DOWNLOADS", str(tmp_path / "data"))
    for _ in range(2):  # the second time nothing is fetched
        assert CliRunner().invoke(app, ["data", "get", "mine", "--yes"]).exit_code == 0
        assert {path.name for path in (tmp_path / "data").iterdir()} == {"a.zip", "splits", "our-a.txt", "our-c.txt"}
        assert (tmp_path / "data/our-a.txt").read_bytes() == names["a.txt"]
        for name in names:
            (tmp_path / "server" / name).unlink(missing_ok=True)


def test_a_changed_name_list_is_refused(tmp_path, address):
    (tmp_path / "server/a.txt").write_text("another")
    lists = {"a.txt": {"download": f"{address}/a.txt", "sha256": "0" * 64}}
    (tmp_path / "Image").mkdir()
    (tmp_path / "GT").mkdir()
    with pytest.raises(UserError, match="0" * 64):
        download_lists(entry(images="Image", masks="GT", lists=lists), tmp_path)
    assert not (tmp_path / "a.txt").exists()


def test_the_lists_of_the_paper_have_addresses_and_the_digests_of_the_authors_files(downloads):
    sets = catalog.load()
    lists = {}
    for name in ("DUTS-TR", "DTD"):
        for key in ("official", "folder"):
            lists |= sets[name].sources[key].lists
    assert lists.keys() == {"DUTS-TR-official-train.txt", "DUTS-TR-official-val.txt", "DTD-official-500.txt"}
    for name, published in lists.items():
        assert published.download.startswith("https://") and "/Carlisle-Liu/ASLP/" in published.download
        if file := find_name_list(name, downloads, None):
            assert hashlib.sha256(file.read_bytes()).hexdigest() == published.sha256


def test_the_catalog_has_addresses():
    found = {name for name, one in catalog.load().items() if downloadable(one)}
    assert found >= {"DUTS-TR", "DUTS-TE", "DUT-OMRON", "ECSSD", "DTD", "VOC2012", "Kvasir-SEG"}
