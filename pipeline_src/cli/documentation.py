"""The verb `docs`, which writes the pages that describe code, and tables of published results."""

from __future__ import annotations

import typer


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(docs)


def docs():
    """Write docs/params.md, docs/methods.md, docs/metrics.md and params.schema.json from the code that they describe,
    and the tables of README.md and docs/ from published results."""
    from pipeline_src.documentation import methods_page, metrics_page, params_page, params_schema, published_tables

    for page in (params_page, methods_page, metrics_page, params_schema):
        page.FILE.write_text(page.page(), encoding="utf-8")
    for file in published_tables.files():
        file.write_text(published_tables.rewritten(file.read_text(encoding="utf-8")), encoding="utf-8")
