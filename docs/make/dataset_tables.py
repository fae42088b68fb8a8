"""The list of docs/reference/datasets.md, from the catalog."""

from __future__ import annotations

from collections.abc import Callable

from pipeline_src.data import catalog
from pipeline_src.data.entry import Entry


def built_in() -> str:
    """An item per dataset: task, images, splits, where to get it."""
    tasks = catalog.tasks()
    items = []
    for name, entry in catalog.load().items():
        task = "textures" if entry.ood else tasks[entry.task]
        facts = [task, f"{_images(entry)} images", f"splits {_splits(entry)}", _page(entry)]
        items.append(f"- `{name}`: {'; '.join(fact for fact in facts if fact)}")
    return "\n".join(items)


def _images(entry: Entry) -> str:
    counts = [source.count for source in entry.sources.values() if source.count]
    return f"{counts[0]:,}" if counts else "some"


def _splits(entry: Entry) -> str:
    return ", ".join(entry.splits) or "all"


def _page(entry: Entry) -> str:
    pages = [source.get for source in entry.sources.values() if source.get]
    if pages:
        return f"<{pages[0]}>"
    return "generated" if any(source.generator for source in entry.sources.values()) else ""


TABLES: dict[str, Callable[[], str]] = {"built-in": built_in}
