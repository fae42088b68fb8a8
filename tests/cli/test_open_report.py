"""The option `--open` of `report`."""

from __future__ import annotations

from typer.testing import CliRunner

from pipeline_src.cli import main as cli


def test_the_page_opens_in_the_browser_on_request(monkeypatch, tmp_path):
    seen, page = [], tmp_path / "a b" / "report.html"
    monkeypatch.setattr(cli, "_graph", lambda experiment, log: None)
    monkeypatch.setattr(cli.verbs, "report", lambda graph, contract: page)
    monkeypatch.setattr(cli.webbrowser, "open", seen.append)
    for options, wanted in (([], []), (["--open"], [page.as_uri()])):
        assert CliRunner().invoke(cli.app, ["report", *options]).exit_code == 0
        assert seen == wanted
