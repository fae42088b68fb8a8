"""The card of an exported folder has the numbers of its own network, and no others."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from exported_folders import record
from made_results import analysed, by_hand

from pipeline_src.analysis.facts import Corruption, Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.export import card
from pipeline_src.export import export as step
from pipeline_src.export.folder import Preprocessing
from pipeline_src.training.calibrated import calibrated_method
from pipeline_src.training.methods.baseline import Baseline
from pipeline_src.training.methods.deep_ensemble import DeepEnsemble

Temperature = calibrated_method("temperature")

FACTS = Facts("made", {"ce": MethodFacts("baseline")}, {"val": "val", "one": "id", "old": "ood"}, (0, 1))
SETTINGS = Preprocessing(image_size=32, mean=[1.0] * 3, std=[2.0] * 3, classes=2, class_names=[], single=False)


def maps(method: str, seed: int, part: str):
    """The second network is wrong more often."""
    rng = np.random.default_rng([seed, *part.encode()])
    for _ in range(4):
        truth = (rng.random((8, 8)) < 0.4).astype(np.uint8)
        wrong = rng.random(truth.shape) < (0.1, 0.4)[seed]
        yield np.where(truth ^ wrong, 0.95, 0.05).astype(np.float32), truth


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return analysed(tmp_path_factory.mktemp("analyses"), FACTS, maps)


@pytest.fixture
def run(results) -> SimpleNamespace:
    """The second of two networks; the analysis of one of its sets is out of date."""
    training = SimpleNamespace(epochs=3, batch_size=8, lr=0.001, amp="off")
    model = SimpleNamespace(network="unet", pretrained=False)
    experiment = SimpleNamespace(
        settings=SimpleNamespace(model=model, training=training, image_size=32),
        facts=FACTS,
        parts_as_written={"train": ["training images"], "val": ["validation images"]},
        methods={"ce": SimpleNamespace(method=Baseline())},
        stored_parts={},
        entries={},
        command="snakemake --cores all",
        job=lambda name: SimpleNamespace(
            manifest=SimpleNamespace(),
            faults=list,
            folder=Path(),
            is_made=not name.endswith("old"),
            paths=[results.files[name.removeprefix("analyse/")]],
        ),
    )
    return SimpleNamespace(name="made/ce/seed1", method="ce", seed=1, experiment=experiment)


text = partial(card.card_text, settings=SETTINGS, calibrator=None, seeds=[1], onnx=False, added=False)


def test_the_numbers_are_of_the_runs_own_network(run, results):
    measured = card.measurements(run)
    assert {part: role for part, (role, _) in measured.items()} == {"one": "id"}
    points, both = measured["one"][1].points, results.measurement("raw", "ce", "one").points
    for name in ("ece", "accuracy"):
        assert points[name].tolist() == both[name][1:].tolist() != both[name][:1].tolist()
    assert f"{100 * both['ece'][1]:.2f}" in text(run)


def test_methods_and_seeds_are_named(run):
    run.experiment.methods |= {
        "warm": SimpleNamespace(method=Temperature(of="ce")),
        "both": SimpleNamespace(method=DeepEnsemble(of="ce")),
    }
    run.method = "warm"
    post_hoc = text(run, calibrator=record())
    assert "with the method `ce`, and the post-hoc method `warm`" in post_hoc
    assert "| method | `ce`, seed 1" in post_hoc and "| after training | `warm`: Guo" in post_hoc
    run.method = "both"
    several = text(run, seeds=[0, 1])
    assert several.startswith("---\nlicense: other") and "2 networks" in several
    assert "| method | `ce`, seeds 0, 1" in several and "2 training runs" in several


def test_the_config_names_the_seeds_and_fingerprints(monkeypatch):
    jobs = [SimpleNamespace(fingerprint=name) for name in ("of3", "fitted")]
    methods = {"ce": SimpleNamespace(method=Baseline())}
    settings = SimpleNamespace(model_dump=lambda mode: {"epochs": 3})
    experiment = SimpleNamespace(methods=methods, settings=settings)
    run = SimpleNamespace(name="a", method="ce", jobs=jobs, training_jobs=jobs[:1], experiment=experiment)
    monkeypatch.setattr(step.networks, "facts", lambda job: {"network": "unet", "seed": 3})
    config = step.describe(run, [3])
    assert (config["seeds"], config["fingerprints"], config["network"]) == ([3], ["of3", "fitted"], {"network": "unet"})
    assert config["method"]["class"] == "Baseline" and config["experiment"] == {"epochs": 3}


@pytest.mark.parametrize(
    ("network", "pretrained", "recorded", "named"),
    [("unet", True, True, True), ("unet", False, True, False), ("my_net.py:build", True, False, False)],
)
def test_pretrained_weights_are_named_if_they_are_recorded(run, network, pretrained, recorded, named):
    run.experiment.settings.model = SimpleNamespace(network=network, pretrained=pretrained)
    assert ("and from pretrained weights of others" in text(run)) == named
    assert ("this is not recorded" in text(run)) != recorded


def test_metrics_of_classes_have_columns(run, monkeypatch):
    assert "mIoU" not in text(run) and "corrupted" not in text(run)
    classes = by_hand({"accuracy": [0.9], "mean_iou": [0.25]}, np.array([-0.1, 0, 0.1]))
    monkeypatch.setattr(card, "measurements", lambda run: {"one": ("id", classes)})
    run.experiment.facts = replace(FACTS, corrupted={"one": Corruption("one", "fog", 1)})
    assert "| mIoU % |" in text(run) and "25.00" in text(run) and "corrupted" in text(run)


def test_a_calibrator_that_was_added_has_no_results(run):
    fitted, added = (text(run, calibrator=record(), added=added) for added in (False, True))
    assert "images (validation images)" in fitted and "None: no analysis" not in fitted
    assert "images (validation images)" not in added and "None: no analysis" in added
