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
        splits = ", ".join(entry.splits) or "all"
        facts = [task, f"{_images(entry)} images", f"splits {splits}", _page(entry)]
        items.append(f"- `{name}`: {'; '.join(filter(None, facts))}")
    return "\n".join(items)


def _images(entry: Entry) -> str:
    """The number of images of the first source that states it."""
    for source in entry.sources.values():
        if source.count:
            return f"{source.count:,}"
    return "some"


def _page(entry: Entry) -> str:
    """The page of the first source that has one; empty if there is none."""
    for source in entry.sources.values():
        if source.get:
            return f"<{source.get}>"
    if any(source.generator for source in entry.sources.values()):
        return "generated"
    return ""


TABLES: dict[str, Callable[[], str]] = {"built-in": built_in}
