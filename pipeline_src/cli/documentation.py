"""The verb `docs`, which writes the pages that describe code."""

from __future__ import annotations

import typer


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(docs)


def docs():
    """Write docs/params.md, docs/methods.md and docs/metrics.md from the code that they describe."""
    from pipeline_src.documentation import methods_page, metrics_page, params_page

    for page in (params_page, methods_page, metrics_page):
        page.FILE.write_text(page.page(), encoding="utf-8")
