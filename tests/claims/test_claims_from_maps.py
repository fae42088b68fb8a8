"""From maps to claims.json and claims.md: effects and intervals are those of the maps by plain formulas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from zlib import crc32

import numpy as np
import pytest
from made_results import RESAMPLES, analysed
from scipy import stats

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.claims import CLAIM_FILES
from pipeline_src.claims.checks import View
from pipeline_src.claims.registry import CLAIMS
from pipeline_src.claims.verdict import BOUNDED, INCONCLUSIVE, NOT_RUN, REFUTED, SUPPORTED
from pipeline_src.claims.write import judged, write_claims
from pipeline_src.counting.levels import PROTOCOLS

IMAGES = 7
METHODS = {"baseline": MethodFacts("baseline"), "aslp_mc": MethodFacts("aslp_mc", learns=True)}
FACTS = Facts("made", METHODS, {"one": "id", "dots": "ood"}, (0, 1), epochs=60)


def maps(method: str, seed: int, part: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """8-bit maps, for which the bootstrap is exact."""
    for number in range(IMAGES):
        truth = np.random.default_rng([number, *part.encode()]).random((9, 8)) < (0 if part == "dots" else 0.4)
        rng = np.random.default_rng([len(method), seed, number, *part.encode()])
        wrong = rng.random(truth.shape) < (0.3 if method == "baseline" else 0.1)
        value = np.where(truth ^ wrong, rng.integers(130, 256, truth.shape), rng.integers(0, 126, truth.shape))
        yield value.astype(np.uint8), truth.astype(np.uint8)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return analysed(tmp_path_factory.mktemp("statistics"), FACTS, maps)


@pytest.fixture(scope="module")
def claims(results) -> dict[str, dict]:
    """The findings by claim and protocol, as they are before claims.json rounds them."""
    tree = json.loads(json.dumps(judged(View(results, alphas={}))))
    return {claim["claim"]: claim["protocols"] for claim in tree["claims"]}


def pixels(method: str, seed: int, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and correctness of all pixels of the set `one`, whose images are taken so many `times`."""
    made = list(maps(method, seed, "one"))
    f = np.stack([f.ravel() for f, _ in made]).repeat(times, axis=0).ravel() / 255
    y = np.stack([y.ravel() for _, y in made]).repeat(times, axis=0).ravel()
    return np.maximum(f, 1 - f), (f >= 0.5) == y


def ece(method: str, seed: int, times: np.ndarray) -> float:
    confidence, right = pixels(method, seed, times)
    bins = np.ceil(confidence * 10)
    return sum(abs((confidence - right)[bins == k].sum()) for k in np.unique(bins)) / len(bins)


def squared(method: str, seed: int, times: np.ndarray) -> float:
    """The squared calibration error, debiased over images, by its definition."""
    excess, count = np.zeros((2, times.sum(), 11))
    taken = [k for k, number in enumerate(times) for _ in range(number)]
    for row, k in enumerate(taken):
        confidence, right = pixels(method, seed, np.eye(IMAGES, dtype=int)[k])
        bins = np.ceil(confidence * 10).astype(int)
        excess[row] = np.bincount(bins, confidence - right, minlength=11)
        count[row] = np.bincount(bins, minlength=11)
    total, pixels_of_bin, n = excess.sum(axis=0), count.sum(axis=0), len(taken)
    used = pixels_of_bin > 0
    gap = np.where(used, total / np.maximum(pixels_of_bin, 1), 0)
    variance = n / (n - 1) * ((excess - gap * count) ** 2).sum(axis=0)
    return ((total**2 - variance)[used] / pixels_of_bin[used]).sum() / count.sum()


def accuracy(method: str, seed: int, times: np.ndarray) -> float:
    return pixels(method, seed, times)[1].mean()


@pytest.mark.parametrize(("name", "metric"), [("C4", ece), ("C5", accuracy)])
def test_effects_and_intervals_are_those_of_the_maps(claims, name, metric):
    (item,) = claims[name]["raw"]["evidence"]
    assert (item["what"].split()[0].lower(), item["sets"]) == (metric.__name__, {"one": IMAGES})

    def effect(seed: int, times: np.ndarray) -> float:
        return metric("aslp_mc", seed, times) - metric("baseline", seed, times)

    every = np.ones(IMAGES, int)
    assert item["seeds"] == pytest.approx({str(seed): effect(seed, every) for seed in (0, 1)}, abs=1e-12)
    assert item["effect"] == pytest.approx(sum(item["seeds"].values()) / 2, abs=1e-15)
    generator = np.random.Generator(np.random.PCG64(crc32(b"one")))
    drawn = [np.bincount(generator.integers(0, IMAGES, IMAGES), minlength=IMAGES) for _ in range(RESAMPLES)]
    checks(item, effect, drawn, centred=False)
    if metric is ece:  # its square decides as well, whose resampled values are centred on the exact one
        metric = squared
        checks(item["squared"], effect, drawn, centred=True)


def checks(item: dict, effect: Callable[[int, np.ndarray], float], drawn: list[np.ndarray], centred: bool) -> None:
    """Effects and ends of the interval are those of the resamples `drawn`."""
    every = np.ones(IMAGES, int)
    values = np.array([[effect(seed, times) for times in drawn] for seed in (0, 1)])
    exact = np.array([effect(seed, every) for seed in (0, 1)])
    assert list(item["seeds"].values()) == pytest.approx(exact, abs=1e-12)
    if centred:
        values += (exact - values.mean(axis=1))[:, None]
    distance = np.sqrt(IMAGES / (IMAGES - 1)) * stats.t.ppf(0.975, IMAGES - 1)  # few images: Student's interval
    over_seeds = values.mean(axis=0)
    ends = over_seeds.mean() + np.array([-1, 1]) * distance * over_seeds.std()
    training = stats.t.ppf(0.975, 1) * exact.std(ddof=1) / np.sqrt(2)
    low, high = exact.mean() + np.array([-1, 1]) * np.hypot(ends - exact.mean(), training)
    assert [item["low"], item["high"]] == pytest.approx([low, high], abs=1e-12)


def test_files_of_the_same_results_are_the_same(results, tmp_path):
    for name in ("first", "second"):
        write_claims(Results(results.facts, results.files), {}, tmp_path / name)
    for file in CLAIM_FILES:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    tree = json.loads((tmp_path / "first/claims.json").read_text(encoding="utf-8"))
    text = (tmp_path / "first/claims.md").read_text(encoding="utf-8")
    assert [item["claim"] for item in tree["claims"]] == list(CLAIMS)
    for item in tree["claims"]:
        assert set(item["protocols"]) == (set(PROTOCOLS) if CLAIMS[item["claim"]].by_protocol else {"any"})
        for finding in item["protocols"].values():
            assert finding["verdict"] in (SUPPORTED, REFUTED, BOUNDED, INCONCLUSIVE, NOT_RUN)
            assert (finding["verdict"] == NOT_RUN) <= bool(finding["missing"])
            assert all(comparison["printed"].split(" ")[0] in text for comparison in finding["evidence"])
