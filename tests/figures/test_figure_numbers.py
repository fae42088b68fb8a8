"""The numbers behind the figures, computed again from the pixels; and by hand where that is short."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_figures import SEEDS, make_results, maps

from pipeline_src.analysis.results import Results
from pipeline_src.figures import training
from pipeline_src.figures.bin_tables import reliability_tables

BINS = 10


BASELINE = ("raw", "baseline", "Set_A")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return make_results(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def table(results) -> pd.DataFrame:
    """The bins of the baseline."""
    return pd.DataFrame(reliability_tables(results, "Set_A")["raw", "baseline"]).set_index("bin")


def pixels(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(IMAGES, pixels) confidence and whether the top label is right."""
    pairs = maps("baseline", seed, "Set_A")
    f = np.stack([p.ravel() for p, _ in pairs]).astype(np.float64)
    y = np.stack([t.ravel() for _, t in pairs])
    return np.maximum(f, 1 - f), (f >= 0.5) == y


def test_diagram_is_of_all_seeds_pixels(table):
    confidence, right = (np.concatenate([pixels(seed)[k].ravel() for seed in SEEDS]) for k in range(2))
    k = np.ceil(confidence * BINS).astype(int)
    for bin_ in range(1, BINS + 1):
        row, inside = table.loc[str(bin_)], k == bin_
        assert row["pixels"] == inside.sum()
        assert row["share"] == pytest.approx(inside.mean())
        if inside.any():
            assert row["confidence"] == pytest.approx(confidence[inside].mean(), abs=1e-7)
            assert row["accuracy"] == pytest.approx(right[inside].mean())
            assert row["gap"] == pytest.approx(confidence[inside].mean() - right[inside].mean(), abs=1e-7)
    assert table.loc["all", "confidence"] == pytest.approx(confidence.mean(), abs=1e-7)
    assert table.loc["all", "accuracy"] == pytest.approx(right.mean())


def test_curves_are_over_seeds_and_images():
    histories = [pd.DataFrame({"epoch": [1, 2], "loss": loss}) for loss in ([1.0, 0.5], [3.0, 1.5])]
    table = training.prepare_history(histories, "loss")
    assert table.to_numpy().tolist() == [[1, 2.0, 1.0, 3.0], [2, 1.0, 0.5, 1.5]]
    rng = np.random.default_rng(0)
    alphas = [pd.DataFrame({"id": range(50), "1": 0.0, "2": rng.random(50), "10": rng.random(50)}) for _ in SEEDS]
    table, values = training.prepare_alphas(alphas).set_index("epoch"), pd.concat(alphas)["2"]
    assert table.index.tolist() == [1, 2, 10]
    assert table.loc[2].tolist() == pytest.approx(np.quantile(values, [0.5, 0.05, 0.95]))
