"""What every method that trains must be able to do, by its name alone: a new file is tested by being there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_networks import LINEAR
from training_runs import CASES, MadeStore, block, experiment, outputs, run, stopped, trained

from pipeline_src.training.registry import choose


@pytest.fixture(scope="module")
def undisturbed(stores, tmp_path_factory) -> Callable[[str], Path]:
    """The undisturbed run of a case."""
    return cache(lambda case: run(stores, tmp_path_factory.mktemp("undisturbed"), case, block(case)))


def colored(classes: int) -> MadeStore:
    """Eight images of 32 px in which every class has a color of its own, which a linear classifier tells apart; of
    three classes the top row is void."""
    rng = np.random.default_rng(0)
    truths = np.zeros((8, 32, 32), np.uint8)
    for truth, (y, x) in zip(truths, 4 * rng.integers(0, 3, (8, 2)), strict=True):
        truth[y : y + 20, x : x + 20] = 1
        if classes == 3:
            truth[y : y + 20, x + 10 : x + 20] = 2
            truth[0] = 255
    colors = np.full((256, 3), 60)
    colors[1], colors[2] = (180, 180 if classes == 2 else 60, 60), (60, 60, 180)
    images = colors[truths] + rng.integers(-20, 21, (8, 32, 32, 3))
    return MadeStore(images.astype(np.uint8), truths, classes)


BINARY = {case for case in CASES if choose(case, block(case)).method.validates_null}  # which need object-free crops


@pytest.mark.parametrize(
    ("case", "classes"), [(case, 2) for case in CASES] + [(case, 3) for case in CASES if case not in BINARY]
)
def test_it_learns_to_separate_colors(tmp_path, case, classes):
    """A convex problem with a solution that is right everywhere, whose expected labels perturbation leaves on their
    side: near-perfect accuracy, where no constant prediction is right on three quarters of the pixels."""
    store = colored(classes)
    twice = MadeStore(*(np.concatenate([array] * 2) for array in (store.images, store.truths)), classes)
    settings = experiment(LINEAR, {"flip": 0, "crop": 0, "rotate_probability": 0}, epochs=8, lr=0.1)
    result = trained(twice, store, settings, choose(case, block(case)).method, tmp_path)
    history = pd.DataFrame(result.history)
    counts = np.bincount(store.truths.ravel())[:classes]
    assert counts.max() / counts.sum() < 0.75
    assert history["val_accuracy"].iloc[-3:].mean() > 0.9
    assert history["loss"].notna().all()


@pytest.mark.parametrize("case", CASES)
def test_a_stopped_run_is_bit_identical(stores, tmp_path, monkeypatch, undisturbed, case):
    start = partial(run, stores, tmp_path, case, block(case))
    assert outputs(stopped(monkeypatch, [2], start)) == outputs(undisturbed(case))


@pytest.mark.parametrize("case", CASES)
def test_it_trains_in_bf16(stores, tmp_path, undisturbed, case):
    bf16, plain = (
        pd.read_csv(folder / "history.csv")["loss"].tolist()
        for folder in (run(stores, tmp_path, case, block(case), amp="bf16"), undisturbed(case))
    )
    assert bf16 == pytest.approx(plain, abs=0.02)
    assert bf16 != plain
