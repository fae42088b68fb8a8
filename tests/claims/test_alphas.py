"""C9: images differ in their alphas beyond the phase of the saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_claims import view

from pipeline_src.claims.alphas import read_alphas, spread
from pipeline_src.claims.registry import CLAIMS
from pipeline_src.claims.verdict import FOR, INCONCLUSIVE, SUPPORTED, Evidence, Finding


def judged(**values: np.ndarray) -> Evidence:
    """The spread of alphas (images, epochs) by seed (s0, s1, ...)."""
    return spread("aslp_mc", {int(seed[1:]): pd.DataFrame(of) for seed, of in values.items()})


def alpha_file(folder: Path, values: np.ndarray, name: str = "alpha.csv") -> Path:
    """`values` (images, epochs) as training writes them."""
    table = pd.DataFrame(values, columns=[str(k + 1) for k in range(values.shape[1])])
    table.insert(0, "id", [f"set/{k}" for k in range(len(values))])
    table.to_csv(folder / name, index=False)
    return folder / name


def saw(margins: np.ndarray, beta: float = 1.0, epochs: int = 60, accuracy: float = 0.94) -> np.ndarray:
    """ASLP_MC's alphas (N, epochs) of images whose margins stay what they are, from alphas at random."""
    rng, eta, lam = np.random.default_rng(0), 0.002, 2000
    alpha, by_epoch = 0.06 * rng.random(len(margins)) / beta, []
    for _ in range(epochs):
        alpha = alpha + eta * (margins / beta + lam * np.minimum(0, 1 - accuracy - beta * alpha))
        alpha = np.maximum(np.where(alpha >= 0.5 / beta, 0.5 / beta - 0.01, alpha), 0)
        by_epoch.append(alpha)
    return np.array(by_epoch).T


@pytest.mark.parametrize("beta", [0.75, 1.0, 2.0])
def test_a_saw_alone_is_no_difference(beta):
    """Images alike in all but their phase: after the last epoch their alphas differ, and their own parts are not above
    0. They are not shown to be alike either: the saw takes from what two stretches have in common."""
    values = saw(np.full(500, 4.0), beta)
    assert values[:, -1].std() > 0.05 * values[:, -1].mean()
    result = judged(s0=values)
    assert result.says() == INCONCLUSIVE and result.effect.value < 0.01


def test_images_that_differ_are_distinguished_from_the_saw():
    values = saw(np.full(500, 4.0)) * np.random.default_rng(1).uniform(0.5, 1.5, (500, 1))
    result = judged(s0=values)
    assert result.says() == FOR
    assert result.effect.value == pytest.approx(np.sqrt(1 / 12), rel=0.1)
    values[:, : 60 - 2 * 60 // 5] = 0.5  # epochs before the last two fifths
    assert judged(s0=values).effect.value == result.effect.value
    nine = judged(s0=saw(np.full(9, 4.0)) * np.linspace(0.5, 1.5, 9)[:, None])
    assert nine.says() == INCONCLUSIVE and nine.effect.interval()[0] > 0


def test_both_methods_and_enough_epochs_are_needed(tmp_path):
    differing = alpha_file(tmp_path, np.random.default_rng(1).uniform(0.5, 1.5, (50, 1)) * np.ones(20))
    short = alpha_file(tmp_path, np.ones((50, 14)), "short.csv")

    def finding(**files: Path) -> Finding:
        return Finding.of(
            CLAIMS["C9"].evidence(view(alphas={(method, 0): read_alphas(file) for method, file in files.items()}))
        )

    assert finding(aslp_mc=differing, aslp_mei=differing).verdict == SUPPORTED
    assert "15 epochs" in finding(aslp_mc=differing, aslp_mei=short).why
    assert "the run of aslp_mei" in finding(aslp_mc=differing).why
