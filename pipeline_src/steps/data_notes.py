"""What the reader of numbers has to know of the data sets of an experiment."""

from __future__ import annotations

from pipeline_src.data import manifest
from pipeline_src.data.lookup import benchmark_names
from pipeline_src.steps.experiment import Graph


def remarks(graph: Graph) -> dict[str, str]:
    """Test set -> what captions say of it: the catalog's word, and how much of the set's usual images a part has.

    Those of which there is nothing to say are left out. The count needs the set's manifest and its list of names.
    """
    found = {
        part: " ".join(filter(None, (_caption(graph, part), coverage(graph, part))))
        for part in graph.tested
        if part != "val"
    }
    return {part: text for part, text in found.items() if text}


def _caption(graph: Graph, part: str) -> str:
    return graph.entries[graph.parts[part][0].set].caption


def coverage(graph: Graph, part: str) -> str:
    """How many of the images on which others report numbers are in a part; empty if it has exactly those."""
    chosen, _ = graph.parts[part]
    entry, folder = graph.entries[chosen.set], graph.manifest(chosen.set)
    wanted = benchmark_names(entry, graph.data_root)
    if wanted is None or not (folder / "manifest.csv").is_file():
        return ""
    here = {row.stem for row in manifest.select(chosen, folder)}
    if wanted == here:
        return ""
    return (
        f"{len(wanted & here):,} of its {len(here):,} images are among the {len(wanted):,} of {entry.benchmark_list}."
    )
