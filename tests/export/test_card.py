"""The card of an exported folder: the numbers of its own network, and none that are not of what it holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from exported_folders import record
from made_results import analysed, by_hand

from pipeline_src.analysis.facts import Corruption, Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.deployment import export as step
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
        parts_as_written={"train": ["training photographs"], "val": ["validation photographs"]},
        methods={"ce": SimpleNamespace(method=Baseline())},
        stored_parts={},
        entries={},
        command="snakemake --cores all",
        job=lambda name: SimpleNamespace(
            manifest=SimpleNamespace(faults=lambda folder: []),
            folder=Path(),
            is_made=not name.endswith("old"),
            paths=[results.files[name.removeprefix("analyse/")]],
        ),
    )
    return SimpleNamespace(name="made/ce/seed1", method="ce", seed=1, experiment=experiment)


def test_the_numbers_are_of_the_runs_own_network(run, results):
    card = step._card(run, SETTINGS, None, [1], False, None)
    assert {part: role for part, (role, _) in card.measured.items()} == {"one": "id"}
    _, own = card.measured["one"]
    of_both = results.measurement("raw", "ce", "one").points
    for name in ("ece", "accuracy"):
        assert own.points[name].tolist() == of_both[name][1:].tolist() != of_both[name][:1].tolist()
    assert f"{100 * of_both['ece'][1]:.2f}" in card.text()
    (shown,) = card.metadata()["model-index"][0]["results"]
    assert shown["metrics"][0]["value"] == pytest.approx(of_both["ece"][1], rel=1e-5)


def test_a_post_hoc_method_is_not_called_the_one_that_trained(run):
    run.experiment.methods["warm"] = SimpleNamespace(method=Temperature(of="ce"))
    run.method = "warm"
    text = step._card(run, SETTINGS, record(), [1], False, None).text()
    assert "with the method `ce`, and the post-hoc method `warm`" in text
    assert "| method | `ce`, seed 1" in text and "| after training | `warm`: Guo" in text


def test_networks_of_several_seeds_are_not_called_one(run):
    run.experiment.methods["both"] = SimpleNamespace(method=DeepEnsemble(of="ce"))
    run.method = "both"
    text = step._card(run, SETTINGS, None, [0, 1], False, None).text()
    assert "2 networks, whose probabilities are averaged" in text and "| method | `ce`, seeds 0, 1" in text
    assert "one set of 2 training runs: other seeds give" in text and "It is one training run" not in text
    assert "the mean of those of the networks" in text


def test_metadata_name_the_seeds_of_all_networks(monkeypatch):
    def job(seed: int):
        names = {"kind": "train", "files": ["model.safetensors"], "parameters": {"seed": seed}}
        return SimpleNamespace(**names, fingerprint=f"of{seed}")

    monkeypatch.setattr(step.networks, "facts", lambda of: {"network": "unet", "seed": of.parameters["seed"]})
    fitted = SimpleNamespace(kind="fit", fingerprint="fitted")
    one, both = (SimpleNamespace(name="a", made_of=[*map(job, seeds), fitted]) for seeds in ([3], [3, 4]))
    assert step._facts(one) == {"network": "unet", "seed": 3, "run": "a", "fingerprint": "of3, fitted"}
    assert step._facts(both) == {"network": "unet", "seeds": [3, 4], "run": "a", "fingerprint": "of3, of4, fitted"}


@pytest.mark.parametrize(
    ("network", "pretrained", "known", "others"),
    [("unet", True, True, True), ("unet", False, True, False), ("my_net.py:build", True, False, False)],
)
def test_weights_of_others_are_claimed_where_that_is_known(run, network, pretrained, known, others):
    run.experiment.settings.model = SimpleNamespace(network=network, pretrained=pretrained)
    text = step._card(run, SETTINGS, None, [1], False, None).text()
    assert ("and from weights that others trained" in text) == others
    assert ("is up to the function" in text) != known


def test_numbers_of_classes_and_what_has_no_row(run):
    card = step._card(run, SETTINGS, None, [1], False, None)
    classes = by_hand({"accuracy": [0.9], "mean_iou": [0.25]}, np.array([-0.1, 0, 0.1]))
    told = replace(card, measured={"one": ("id", classes)})
    assert "| mIoU % |" in told.text() and "25.00" in told.text() and "mIoU" not in card.text()
    assert told.metadata()["model-index"][0]["results"][0]["metrics"][1]["type"] == "mean_iou"
    assert "corrupted" not in card.text()
    run.experiment.facts = replace(FACTS, corrupted={"one": Corruption("one", "fog", 1)})
    assert "corrupted images is not in this card" in step._card(run, SETTINGS, None, [1], False, None).text()


def test_of_a_calibrator_that_was_added_nothing_is_told_that_is_not_known(run):
    own, added = (step._card(run, SETTINGS, record(), [1], False, file) for file in (None, Path("calibrator.json")))
    assert own.measured and not added.measured
    assert "images (validation photographs)" in own.text() and "None: no analysis" not in own.text()
    assert "photographs)" not in added.text() and "None: no analysis" in added.text()
    assert len(added.limits) == len(own.limits) + 1
