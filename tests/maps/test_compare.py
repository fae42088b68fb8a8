"""Two models side by side: the differences of their maps, and what cannot be compared."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.special import expit, softmax
from typer.testing import CliRunner

from pipeline_src.analysis.resampling import SEED, measure
from pipeline_src.cli.main import app
from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.sample import checked
from pipeline_src.errors import UserError
from pipeline_src.maps.compare import compare_judged, paired_scores
from pipeline_src.maps.judge import judge_folder

IMAGES = 40
METRICS = ("ece", "brier", "accuracy", "nll", "oe", "smooth_ece", "max_f", "auc", "aurc", "gap")


def made(root: Path, images: int = IMAGES, classes: int = 0, seed: int = 0) -> dict[str, Path]:
    """Maps of two models, B nearly calibrated, and their masks."""
    rng = np.random.default_rng(seed)
    folders = {name: root / name for name in ("a", "b", "masks")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    for k in range(images):
        z = rng.normal(rng.normal(-1, 1), 2, (max(1, classes), 20, 30))
        truth = (z + rng.gumbel(size=z.shape)).argmax(0)
        if not classes:
            truth = 255 * (rng.random(z.shape[1:]) < expit(z[0]))
        cv2.imwrite(str(folders["masks"] / f"{k:02d}.png"), np.uint8(truth))
        for name, sharp in (("a", 1.8), ("b", 1.1)):
            noisy = sharp * (z + rng.normal(0, 0.3, z.shape))
            f = softmax(noisy, axis=0) if classes else expit(noisy[0])
            np.save(folders[name] / f"{k:02d}.npy", f.astype(np.float32))
    return folders


def judged(folders: dict[str, Path], out: Path, **options) -> tuple[Path, Path]:
    for name in ("a", "b"):
        judge_folder(folders[name], folders["masks"], name, out / name, **options)
    return out / "a", out / "b"


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return made(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def done(folders, tmp_path_factory) -> tuple[Path, dict]:
    root = tmp_path_factory.mktemp("done")
    return root, compare_judged(*judged(folders, root), root / "out")


def by_hand(maps: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Brier score and ECE of ten right-closed bins of the top label, from the pixels (N, pixels)."""
    confidence = np.maximum(maps, 1 - maps)
    correct = (maps >= 0.5) == truth
    number = np.ceil(confidence * 10).astype(int).ravel()
    gaps = np.bincount(number, (confidence - correct).ravel(), minlength=11)
    return {"ece": np.abs(gaps).sum() / maps.size, "brier": ((maps - truth) ** 2).mean()}


def test_differences_and_intervals_agree_with_a_second_bootstrap(done, folders):
    _, result = done
    truth = np.stack([cv2.imread(str(file), 0).ravel() > 0 for file in sorted(folders["masks"].iterdir())])
    sides = [
        np.stack([np.load(file).ravel().astype(float) for file in sorted(folders[name].iterdir())]) for name in "ab"
    ]
    exact = [by_hand(maps, truth) for maps in sides]
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(1000):
        images = rng.integers(0, IMAGES, IMAGES)
        drawn.append([by_hand(maps[images], truth[images]) for maps in sides])
    for name in ("ece", "brier"):
        score = result["differences"]["raw"][name]
        assert (score["A"], score["B"]) == pytest.approx([side[name] for side in exact], abs=1e-6)
        low, high = score["intervals"]["difference"]
        least, most = np.quantile([b[name] - a[name] for a, b in drawn], [0.025, 0.975])
        change = exact[1][name] - exact[0][name]
        width = most - least
        if name == "ece":  # at equal distances
            width = 2 * max(change - least, most - change)
        assert 0.97 * width < high - low < 1.3 * width  # wider for 40 images, and for skewness
        assert low < score["B"] - score["A"] < high < 0 and score["changed"] == "lower"


def test_all_metrics_of_both_protocols_are_written_with_a_diagram(done):
    root, result = done
    assert json.loads((root / "out/comparison.json").read_text()) == json.loads(json.dumps(result))
    for protocol in ("raw", "stretched"):
        numbers = json.loads((root / "a/metrics.json").read_text())[protocol]
        measured = [name for name, number in numbers.items() if number is not None]
        assert list(result["differences"][protocol]) == measured
        for score in result["differences"][protocol].values():
            low, high = score["intervals"]["difference"]
            assert low - 1e-9 <= score["B"] - score["A"] <= high + 1e-9
    assert result["models"] == ["A: a", "B: b"]
    assert {path.name for path in (root / "out").iterdir()} == {
        "comparison.json",
        *(f"reliability.{suffix}" for suffix in ("svg", "pdf", "png")),
    }


def test_a_metric_that_both_share_is_not_changed(folders, tmp_path):
    """The same model is no different; few images are never called different."""
    a, _ = judged(folders, tmp_path, resamples=0)
    scores = compare_judged(a, a, tmp_path / "out")["differences"]["raw"]
    assert {score["changed"] for score in scores.values()} == {""}
    few = judged(made(tmp_path / "few", 6), tmp_path / "few/judged", resamples=0)
    scores = compare_judged(*few, tmp_path / "few/out")["differences"]["raw"]
    assert {score["changed"] for score in scores.values()} == {""} and scores["brier"]["intervals"]["difference"][1] < 0


def test_folders_of_maps_are_judged_and_compared(folders, tmp_path):
    words = ["compare", str(folders["a"]), str(folders["b"]), "--mask", str(folders["masks"])]
    words += ["--groups", "(.)", "--bins", "20", "--out"]
    shown = CliRunner().invoke(app, [*words, str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    expected = compare_judged(*judged(folders, tmp_path, groups="(.)", bins=20, resamples=0), tmp_path / "two")
    found = json.loads((tmp_path / "out/comparison.json").read_text())
    assert found["differences"] == json.loads(json.dumps(expected["differences"]))
    assert (tmp_path / "out/a/metrics.json").is_file() and found["bins"] == 20
    assert "no training variance" in shown.output and f"diagram: {tmp_path / 'out/reliability.svg'}\n" in shown.output
    with pytest.raises(UserError, match=r"a/metrics\.json"):
        compare_judged(tmp_path / "b", tmp_path / "a", tmp_path / "out")
    judged_too = ["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "3")]
    sentences = [line for line in CliRunner().invoke(app, judged_too).output.splitlines() if "B − A" in line]
    assert len(sentences) == len(expected["differences"]["raw"])
    assert [line for line in sentences if line not in shown.output] == []


def test_options_of_maps_need_maps_and_an_error_leaves_earlier_results(folders, tmp_path):
    a, b = judged(folders, tmp_path, resamples=0)
    shown = CliRunner().invoke(app, ["compare", str(a), str(b), "--groups", "(.)", "--out", str(tmp_path / "out")])
    assert shown.exit_code and "--groups" in str(shown.exception) and not (tmp_path / "out").exists()
    out = tmp_path / "maps"
    words = ["--mask", str(folders["masks"]), "--out", str(out)]
    assert CliRunner().invoke(app, ["compare", str(folders["a"]), str(folders["b"]), *words]).exit_code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert CliRunner().invoke(app, ["compare", str(folders["b"]), str(tmp_path / "none"), *words]).exit_code
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_maps_need_masks(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["compare", str(folders["a"]), str(folders["b"])])
    assert "--mask" in str(shown.exception)


def test_models_of_several_classes(tmp_path):
    scores = compare_judged(*judged(made(tmp_path, classes=3), tmp_path / "j", resamples=0), tmp_path / "out")
    assert [*scores["differences"]] == ["raw"]
    assert {scores["differences"]["raw"][name]["changed"] for name in ("ece", "classwise_ece", "brier")} == {"lower"}


def moved(folders: dict[str, Path], tmp_path: Path, change: str) -> dict[str, Path]:
    """Maps of the second model on other data."""
    other = {name: Path(tmp_path / f"other-{name}") for name in ("b", "masks")}
    for name, folder in other.items():
        folder.mkdir()
        for file in folders[name].iterdir():
            stem = file.stem.replace("07", "seven") if change == "images" else file.stem
            (folder / f"{stem}{file.suffix}").write_bytes(file.read_bytes())
    if change == "flipped":  # as many pixels of the object as before
        for file in other["masks"].iterdir():
            cv2.imwrite(str(file), cv2.imread(str(file), 0)[::-1])
    if change == "masks":
        mask = cv2.imread(str(other["masks"] / "07.png"), 0)
        mask[:3] = 255
        cv2.imwrite(str(other["masks"] / "07.png"), mask)
    return {"a": folders["a"], **other}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("images", ["seven", "07"]),
        ("masks", ["07"]),
        ("flipped", ["SHA-256 of the masks"]),
        ("other groups", ["SHA-256 of the groups"]),
        ("older", ["metrics.json", "masks"]),
        ("classes", ["n_classes", "3"]),
        ("bins", ["bins", "20"]),
        ("groups", ["groups: none", "40 groups"]),
        ("judged", ["metrics.json"]),
    ],
)
def test_what_differs_is_named_and_nothing_is_written(folders, tmp_path, change, named):
    options = {"resamples": 0}
    other = folders
    if change in ("images", "masks", "flipped"):
        other = moved(folders, tmp_path, change)
    elif change == "classes":
        other = made(tmp_path / "k", classes=3)
    elif change == "bins":
        options["bins"] = 20
    elif change == "other groups":
        options["groups"] = "(.)$"
    a, b = tmp_path / "a", tmp_path / "b"
    groups = {"groups": "(.+)", "other groups": "^(.)"}.get(change, "")
    judge_folder(folders["a"], folders["masks"], "a", a, resamples=0, groups=groups)
    if change != "judged":
        judge_folder(other["b"], other["masks"], "b", b, **options)
    if change == "older":
        content = json.loads((b / "metrics.json").read_text())
        (b / "metrics.json").write_text(json.dumps({key: content[key] for key in content if key != "masks"}))
    with pytest.raises(UserError) as error:
        compare_judged(a, b, tmp_path / "out")
    assert [text for text in named if text not in str(error.value)] == []
    assert not (tmp_path / "out/comparison.json").exists()


def difference(seed: int, images: int = 50) -> dict[str, str]:
    """What is called different between two models of equal quality, on new images and pixels."""
    rng = np.random.default_rng([7, seed])
    accumulators = [Accumulator(protocols=["raw"]) for _ in range(2)]
    for k in range(images):
        z = rng.normal(rng.normal(-1, 1), 2, (16, 20))
        truth = rng.random(z.shape) < expit(z)
        for accumulator in accumulators:
            noisy = 1.5 * (z + rng.normal(0, 0.2, (16, 1)) + rng.normal(0, 0.3, z.shape))
            accumulator.add(checked(expit(noisy).astype(np.float32), truth, f"{k:03d}"))
    names = [*METRICS, "squared_error", "squared_overconfidence"]
    runs = [measure(each.counts()["raw"], 10, SEED, 300, names) for each in accumulators]
    return {name: score["changed"] for name, score in paired_scores(METRICS, *runs).items()}


@pytest.mark.slow
def test_models_of_equal_quality_are_seldom_called_different():
    """In 5 % of sets; of 200 sets up to 20 by chance."""
    called: Counter[str] = Counter()
    for seed in range(200):
        called.update(name for name, changed in difference(seed).items() if changed)
    assert all(called[name] <= 20 for name in METRICS), called
    assert sum(called.values()) > 0
