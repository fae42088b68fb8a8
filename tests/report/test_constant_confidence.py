"""One confidence for all pixels, equal to the accuracy: no calibration error, and not recommended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_results import analysed
from made_statistics import varied

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.maps.judge import judge_folder
from pipeline_src.report.comparison import KEPT, ProtocolComparison
from pipeline_src.report.recommendation import recommendation

IMAGES = 24


def maps() -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Over-confident maps with their truth, and the same decisions with one confidence."""
    made = [(f, y) for f, y, _ in varied(IMAGES, sharp=2.5)]
    accuracy = np.float32(np.mean([((f >= 0.5) == y).mean() for f, y in made]))
    return {"baseline": made, "constant": [(np.where(f >= 0.5, accuracy, 1 - accuracy), y) for f, y in made]}


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> dict[str, dict[str, float]]:
    """Values of both in the raw protocol, by `judge`."""
    folder = tmp_path_factory.mktemp("judged")

    def of(method: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        for name, kind in (("maps", 0), ("masks", 1)):
            (folder / method / name).mkdir(parents=True)
            for k, pair in enumerate(pairs):
                np.save(folder / method / name / f"{k}.npy", pair[kind])
        where: list[Path] = [folder / method / name for name in ("maps", "masks", "out")]
        return judge_folder(*where[:2], method, where[2], protocols=("raw",), whole=False, resamples=0)["raw"]

    return {method: of(method, pairs) for method, pairs in maps().items()}


def test_it_has_no_calibration_error_at_the_same_accuracy(judged):
    baseline, constant = judged["baseline"], judged["constant"]
    assert constant["accuracy"] == baseline["accuracy"]
    assert constant["ece"] < 1e-6 < 0.03 < baseline["ece"]
    assert constant["nll"] < baseline["nll"]  # which does not tell either


def test_its_ranking_and_its_refinement_are_worse(judged):
    baseline, constant = judged["baseline"], judged["constant"]
    assert constant["aurc"] > 1.2 * baseline["aurc"] and constant["brier"] > baseline["brier"]
    assert constant["mcb"] < baseline["mcb"] and constant["dsc"] < 0.95 * baseline["dsc"]


def test_it_is_not_recommended(tmp_path):
    facts = Facts("made", {"baseline": MethodFacts("baseline"), "constant": MethodFacts()}, {"photos": "id"})
    results = analysed(tmp_path, facts, lambda method, seed, part: maps()[method])
    inside, *others = (ProtocolComparison.of(results, "raw", (role,)) for role in ("id", "ood", "shifted"))
    assert inside.methods[0] == "constant" and inside.accuracy("constant") == KEPT
    assert set(inside.worse("constant")) == {"brier", "augrc"}
    assert inside.recommended is None
    words = recommendation(inside, *others)
    assert words["Refinement kept"].split("baseline's: ")[1].startswith("constant Brier by 0.0108 and AUGRC by")
    assert "no reason to change" in words["What to use"]
