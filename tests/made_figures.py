"""A small experiment made up for tests: analyses of its data sets, alphas, histories, stores and example maps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from made_results import analysed

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.data.manifest import write_csv
from pipeline_src.data.store import SCHEMA, IndexRow
from pipeline_src.figures.types import Sources
from pipeline_src.prediction import examples

ODD = "a<b>&c_d$e$ 100%"
PARTS = {"Set_A": "id", ODD: "ood"}
METHODS, SEEDS, SIDE, IMAGES = ("baseline", "aslp_mc"), (0, 1), 20, 5


def maps(method: str, seed: int, part: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """(probability, truth) of each image; images out of distribution have no foreground.

    Each 8-bit level has one value of its own, for which the bootstrap is exact.
    """
    rng = np.random.default_rng([len(method), seed, *part.encode()])
    truth = np.random.default_rng([*part.encode()]).random((IMAGES, SIDE, SIDE)) < (0 if part == ODD else 0.4)
    wrong = rng.random(truth.shape) < rng.uniform(0.05, 0.4, (IMAGES, 1, 1))
    sure = (rng.integers(130, 255, truth.shape) + 0.5) / 255
    probability = np.where(truth ^ wrong, sure, 1 - sure)
    return list(zip(probability.astype(np.float32), truth.astype(np.uint8), strict=True))


class RawFacts(Facts):
    """In one protocol, so that half as many figures are drawn."""

    protocols = ("raw",)


def make_facts() -> Facts:
    methods = {method: MethodFacts(method, learns=method == "aslp_mc") for method in METHODS}
    return RawFacts("tiny", methods, PARTS, SEEDS, epochs=6)


def make_results(folder: Path) -> Results:
    return analysed(folder, make_facts(), maps)


def make_store(folder: Path, truths: list[np.ndarray]) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "images.npy", rng.integers(0, 256, (len(truths), 16, 16, 3), np.uint8))
    np.save(folder / "masks.npy", np.stack([255 * truth[:16, :16] for truth in truths]))
    np.save(folder / "grey.npy", np.empty(0, np.int32))
    np.save(folder / "truth.npy", np.concatenate([truth.ravel() for truth in truths]))
    shape = truths[0].shape
    rows = [IndexRow(str(k), *shape, k * truths[0].size, 0, "a", "b") for k in range(len(truths))]
    write_csv(folder / "index.csv", IndexRow._fields, rows)
    (folder / "store.json").write_text(json.dumps({"schema": SCHEMA}))
    return folder


def make_sources(folder: Path) -> Sources:
    alphas, histories, shown, stores = {}, {}, {}, {}
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        alphas["aslp_mc", seed] = folder / f"alpha-{seed}.csv"
        later = {str(epoch): rng.random(IMAGES) / 3 for epoch in range(2, 7)}
        pd.DataFrame({"id": range(IMAGES), "1": 0.0} | later).to_csv(alphas["aslp_mc", seed], index=False)
        for method in METHODS:
            histories[method, seed] = folder / f"history-{method}-{seed}.csv"
            columns = {name: rng.random(6) for name in ("loss", "val_accuracy", "val_ece")}
            pd.DataFrame({"epoch": range(1, 7)} | columns).to_csv(histories[method, seed], index=False)
    for number, part in enumerate(["train", *PARTS]):
        stores[part] = make_store(folder / f"store-{number}", [truth for _, truth in maps("baseline", 0, part)])
        for method in METHODS:
            shown[method, part] = folder / f"examples-{method}-{number}.npz"
            examples.write(shown[method, part], {str(k): maps(method, 0, part)[k][0] for k in (3, 1)})
    return Sources(alphas, histories, shown, stores)
