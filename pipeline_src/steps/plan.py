"""A dry look at an experiment: which jobs are to be run and why, how long that takes here, and how much disk."""

from __future__ import annotations

import os
import time
from collections import Counter

from rich.console import Console
from rich.table import Table

from pipeline_src.data import catalog, manifest
from pipeline_src.engine.execute import explained
from pipeline_src.engine.job import Job
from pipeline_src.figures import catalogue
from pipeline_src.steps.data_notes import remarks
from pipeline_src.steps.experiment import Graph
from pipeline_src.steps.verbs import figure_facts

STARTUP = {
    "train": 8.0,
    "evaluate": 6.0,
    "figures": 3.0,
}  # seconds that importing torch, mmseg, matplotlib take; else 1
PIXELS = 400 * 300  # a photograph of the usual data sets, where the real sizes are not known yet
STEPS = 6


def show(graph: Graph, cores: int | None = None) -> None:
    """Print what a run would do. Speeds are measured now, with a few steps of the experiment's own network."""
    cores = cores or os.cpu_count() or 1
    console = Console()
    todo = [job for job in graph.jobs.values() if not job.current]
    table = Table(title=f"{graph.name}: {len(todo)} of {len(graph.jobs)} jobs to run")
    for heading in ("jobs", "to run", "why (the first)"):
        table.add_column(heading)
    counts, all_jobs = Counter(job.kind for job in todo), Counter(job.kind for job in graph.jobs.values())
    for kind, of in all_jobs.items():
        first = next((job for job in todo if job.kind == kind), None)
        why = f"{first.name}{explained(first)}" if first else ""
        table.add_row(kind, f"{counts[kind]} of {of}", why)
    console.print(table)
    if todo:
        images = {part: size(graph, part) for part in graph.parts}
        unknown = [part for part, n in images.items() if n is None]
        if unknown:
            console.print(
                f"Counts of {', '.join(unknown)} are not known before they are prepared; they count as 1,000."
            )
        images = {part: n or 1000 for part, n in images.items()}
        console.print(
            f"Time: about {_duration(_seconds(graph, todo, images) / _parallel(graph, cores))} on {cores} cores."
        )
        console.print(f"Disk: about {_bytes(graph, images) / 2**20:,.0f} MiB, unpacked archives not counted.")
    for part, text in remarks(graph).items():
        console.print(f"{part}: {text}")
    console.print("Run it: snakemake --cores all" + (f" --config experiment={graph.name}"))


def size(graph: Graph, part: str) -> int | None:
    """Number of images of a part, from its manifest or else from the catalog; None if neither knows."""
    chosen, _ = graph.parts[part]
    if (graph.manifest(chosen.set) / "manifest.csv").is_file():
        return len(manifest.select(chosen, graph.manifest(chosen.set)))
    if chosen.first or chosen.last:
        return chosen.first or chosen.last
    for source in catalog.find(graph.entries, chosen.set).sources.values():
        if source.generator and chosen.split in source.generator.counts:
            return source.generator.counts[chosen.split]
        if source.count and chosen.split == catalog.ALL:
            return source.count
    return None


def speeds(graph: Graph) -> tuple[float, float]:
    """Images per second of a training step and of inference, measured now on the experiment's device."""
    import torch

    from pipeline_src.training.classifier import DenseClassifier
    from pipeline_src.training.device import prepare_device
    from pipeline_src.training.models.build import build_segmentor, normalisation

    e = graph.experiment
    device = prepare_device(e.training)
    segmentor = build_segmentor(e.model.network, False, e.image_size, graph.classes)
    model = DenseClassifier(segmentor, normalisation(e.model.network), amp=e.training.amp, classes=graph.classes)
    model.to(device)
    images = torch.zeros(e.training.batch_size, 3, e.image_size, e.image_size, dtype=torch.uint8, device=device)

    def measured(step) -> float:
        step()  # the first one allocates
        started = time.perf_counter()
        for _ in range(STEPS):
            step()
        return STEPS * len(images) / (time.perf_counter() - started)

    def infer() -> None:
        with torch.inference_mode():
            model(images)

    training = measured(lambda: model(images).float().mean().backward())
    model.eval()
    return training, measured(infer)


def _seconds(graph: Graph, todo: list[Job], images: dict[str, int]) -> float:
    """Seconds of work in one lane."""
    training, inference = speeds(graph) if any(job.kind in ("train", "evaluate") for job in todo) else (1.0, 1.0)
    total = 0.0
    for job in todo:
        total += STARTUP.get(job.kind, 1.0)
        if job.kind == "train":
            total += _of_run(graph, job.name.split("/")[1], images, training, inference)
        elif job.kind == "evaluate":
            _, method, _, part = job.name.split("/")
            total += images[part] * _passes(graph, method) / inference
        elif job.kind == "figures":
            total += 0.6 * len(catalogue.pictures(figure_facts(graph)))
    return total


def _of_run(graph: Graph, method: str, images: dict[str, int], training: float, inference: float) -> float:
    if posthoc := graph.posthoc(method):
        return images["val"] / inference if posthoc.fits else 0.0
    return graph.experiment.training.epochs * (images["train"] / training + images["val"] / inference)


def _passes(graph: Graph, method: str) -> int:
    """Forward passes an image: of each network, and as many as a method with `passes` says."""
    networks = graph.networks(method, graph.experiment.seeds[0])
    return len(networks) * getattr(graph.methods[method].method, "passes", 1)


def _parallel(graph: Graph, cores: int) -> int:
    return max(1, min(cores // graph.experiment.training.threads, len(graph.runs)))


def _bytes(graph: Graph, images: dict[str, int]) -> float:
    """Stores, exported models, statistics and figures; the two checkpoints of each run at work come on top."""
    from pipeline_src.training.models.build import build_segmentor

    e = graph.experiment
    stores = sum(n * (4 * e.image_size**2 + PIXELS) for n in images.values())
    segmentor = build_segmentor(e.model.network, False, e.image_size, graph.classes)
    model = 4 * sum(p.numel() for p in segmentor.parameters())
    statistics = len(graph.runs) * len(graph.tested) * 2e6
    trained = sum(not graph.posthoc(method) for method, _ in graph.runs)
    return stores + trained * model + 2 * 2 * 3 * model + statistics + 20e6


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(1, minutes)} min"
