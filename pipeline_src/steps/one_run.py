"""One run of a method, trained or fitted into a folder, and what it takes from the experiment."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from pipeline_src.steps.experiment import Graph

log = logging.getLogger(__name__)


def train_into(graph: Graph, method: str, seed: int, folder: Path) -> None:
    """The training itself, in this process (one rank of several under DDP); files go into `folder`."""
    import pandas as pd

    from pipeline_src.data.store import Store
    from pipeline_src.training.loop import train as run

    report_overlap(graph, "train", "val")
    chosen = graph.methods[method].method
    accuracies = {
        m: pd.read_csv(graph.run(m, seed) / "history.csv")["val_accuracy"].tolist() for m in chosen.references()
    }
    stores = (Store.open(graph.store(part)) for part in ("train", "val"))
    done = run(
        *stores, graph.experiment, chosen, seed, checkpoints(graph, method, seed), f"{method} seed {seed}", accuracies
    )
    if int(os.environ.get("RANK", 0)) == 0:
        done.write(folder)


def fit_into(graph: Graph, method: str, seed: int, folder: Path) -> None:
    """A post-hoc method's fit; run.json in `folder` says what it uses and what was fitted."""
    from pipeline_src.data.store import Store
    from pipeline_src.files import write_text
    from pipeline_src.training import callbacks

    loaded, store = networks(graph, method, seed), Store.open(graph.store("val"))
    fitted = callbacks.fit(graph.posthoc(method), loaded, store, graph.experiment)
    told = ", ".join(f"{name} {value:.6g}" for name, value in fitted.items()) or "nothing to fit"
    log.info("%s seed %d: %s", method, seed, told)
    facts = {"networks": [f"{m}/seed{s}" for m, s in graph.networks(method, seed)], "fitted": fitted}
    write_text(folder / "run.json", json.dumps(facts, indent=2) + "\n")


def networks(graph: Graph, method: str, seed: int) -> list[Any]:
    """The networks that a run predicts with, loaded: a `DenseClassifier` each."""
    from pipeline_src.prediction.predict import load

    runs = graph.networks(method, seed)
    return [load(graph.run(*run) / "model.safetensors", graph.experiment, graph.classes) for run in runs]


def report_overlap(graph: Graph, *parts: str) -> None:
    """Stop where parts share a sample; say where they share a photograph under two names (some sets do)."""
    from pipeline_src.data.manifest import check_disjoint
    from pipeline_src.data.store import Store

    twins = check_disjoint({part: Store.open(graph.store(part)).index for part in parts})
    for (one, two), pairs in twins.items():
        shown = ", ".join(f"{a} = {b}" for a, b in pairs[:3])
        log.warning("%s and %s hold %d byte-identical images under different names: %s", one, two, len(pairs), shown)


def checkpoints(graph: Graph, method: str, seed: int) -> Path:
    """A run's checkpoints lie outside every declared output: the engines delete those before they start a job."""
    return graph.results / "work" / method / f"seed{seed}.{graph.job(f'train/{method}/seed{seed}').contract}"
