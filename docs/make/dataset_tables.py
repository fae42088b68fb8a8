"""The table of docs/reference/datasets.md, from the catalog."""

from __future__ import annotations

from collections.abc import Callable

from pipeline_src.data import catalog
from pipeline_src.data.entry import Entry
from pipeline_src.text_tables import UNDEFINED, markdown_rows


def built_in() -> str:
    """A row per dataset: task, roles, images, splits, where to get it."""
    tasks = catalog.tasks()
    rows = [
        [f"`{name}`", "textures" if entry.ood else tasks[entry.task], _images(entry), _splits(entry), _page(entry)]
        for name, entry in catalog.load().items()
    ]
    return markdown_rows(["name", "task", "images", "splits", "source"], rows)


def _images(entry: Entry) -> str:
    counts = [source.count for source in entry.sources.values() if source.count]
    return f"{counts[0]:,}" if counts else UNDEFINED


def _splits(entry: Entry) -> str:
    return ", ".join(entry.splits) or "all"


def _page(entry: Entry) -> str:
    pages = [source.get for source in entry.sources.values() if source.get]
    return f"<{pages[0]}>" if pages else "generated" if any(s.generator for s in entry.sources.values()) else UNDEFINED


TABLES: dict[str, Callable[[], str]] = {"built-in": built_in}
