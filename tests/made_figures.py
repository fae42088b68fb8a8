"""A small experiment made up for tests: analyses of its data sets, alphas and histories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from made_results import analysed

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.figures.types import Folders

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


def make_runs(folder: Path) -> Folders:
    folders = {(method, seed): folder / f"{method}-{seed}" for seed in SEEDS for method in METHODS}
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        alphas = {"id": range(IMAGES), "1": 0.0} | {str(epoch): rng.random(IMAGES) / 3 for epoch in range(2, 7)}
        for method in METHODS:
            folders[method, seed].mkdir()
            columns = {name: rng.random(6) for name in ("loss", "val_accuracy", "val_ece")}
            table = pd.DataFrame({"epoch": range(1, 7)} | columns)
            table.to_csv(folders[method, seed] / "history.csv", index=False)
        pd.DataFrame(alphas).to_csv(folders["aslp_mc", seed] / "alpha.csv", index=False)
    return folders
