"""The option `--open` of `report`."""

from __future__ import annotations

from typer.testing import CliRunner

from pipeline_src.cli import main, steps


def test_the_page_opens_in_the_browser_on_request(monkeypatch, tmp_path):
    opened, page = [], tmp_path / "a b" / "report.html"
    monkeypatch.setattr(steps, "_make", lambda *job: page)
    monkeypatch.setattr(steps.webbrowser, "open", opened.append)
    for options, wanted in (([], []), (["--open"], [page.as_uri()])):
        assert CliRunner().invoke(main.app, ["report", *options]).exit_code == 0
        assert opened == wanted
