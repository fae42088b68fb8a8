"""Experiments of the paper's size: graphs with invented datasets, and a step of each network."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from project import ROOT
from training_runs import MadeStore, trained

from pipeline_src.data.sources import Identity
from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.steps import data

NAMES = ("paper", "paper_ecssd", "paper_methods", "paper_cod", "paper_smoke", "paper_semseg")
pytestmark = pytest.mark.slow


def invented(entry, *_) -> Identity:
    """The identity of a dataset that is not here."""
    return Identity({"set": entry.name})


@cache
def graph(name: str):
    """The jobs of an experiment, which are not to be run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(data, "identify", invented)
        return build(read(), name)


def test_all_of_these_experiments_are_listed():
    assert [name for name in read(ROOT / "params.yaml").experiments if name.startswith("paper")] == [*NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_has_a_fingerprint_for_each_job(name):
    experiment = graph(name)
    assert experiment.settings.data.on_problem == "skip"
    trainings = experiment.of_kinds("train")
    assert len({job.fingerprint for job in trainings}) == len(trainings) >= 5
    keys = {job.key for job in experiment.jobs.values()}
    assert keys and all(len(key.rpartition("/")[2]) == 16 for key in keys)


def test_experiments_share_networks():
    assert graph("paper_ecssd").job("train/aslp_mc/seed0").key == graph("paper").job("train/aslp_mc/seed0").key
    assert graph("paper_methods").job("train/baseline/seed0").key == graph("paper").job("train/baseline/seed0").key
    assert len({graph(name).job("train/baseline/seed0").key for name in NAMES}) == 4


def networks() -> dict[tuple, str]:
    """An experiment for each network: config, size and number of classes."""
    found = {}
    for name in NAMES:
        experiment = graph(name)
        settings = experiment.settings
        network = (settings.model.config, settings.image_size, experiment.facts.classes)
        found.setdefault(network, name)
    return found


def test_each_network_trains_a_step_at_full_size(tmp_path):
    found = networks()
    assert found == {("resnet50_aslp", 384, 2): "paper", ("resnet50_aslp", 384, 21): "paper_semseg"}
    rng = np.random.default_rng(0)
    for (_, side, classes), name in found.items():
        settings = graph(name).settings
        training = settings.training.model_copy(update={"epochs": 1, "batch_size": 2, "workers": 0, "device": "cpu"})
        settings = settings.model_copy(
            update={
                "training": training,
                "model": settings.model.model_copy(update={"pretrained": False}),
            }
        )
        images = rng.integers(0, 256, (2, side, side, 3), np.uint8)
        truths = rng.integers(0, classes, (2, side, side), np.uint8)
        store = MadeStore(images, truths, classes)
        method = graph(name).methods["aslp_mc"].method
        run = trained(store, store, settings, method, tmp_path / name)
        (row,) = run.history
        assert row["loss"] == pytest.approx(math.log(classes), rel=0.5)  # of a network that knows nothing
        assert 0 < row["val_accuracy"] < 1
