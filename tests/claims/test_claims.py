"""The claims: each verdict from statistics made by hand, and the way from files to claims.json and claims.md."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline_src.analysis.bootstrap import percentiles, resampled
from pipeline_src.analysis.results import Results
from pipeline_src.analysis.roles import Role, blocks, compared
from pipeline_src.analysis.samples import Run, Sampled, metrics, per_image, sample
from pipeline_src.claims import CLAIM_FILES, alphas
from pipeline_src.claims import tasks as other_tasks
from pipeline_src.claims.checks import CLAIMS
from pipeline_src.claims.evidence import BELOW_ZERO, FAILS, HOLDS, NOT_RUN, OPEN, POINTS, Evidence, Finding, Wanted
from pipeline_src.claims.main import beside, found, judged, write_claims, write_other_tasks
from pipeline_src.claims.view import View
from pipeline_src.counting.statistic import PROTOCOLS, Statistic
from pipeline_src.errors import UserError
from pipeline_src.metrics.metrics import accuracy, ece, entropy, oe
from pipeline_src.tables.across import ExperimentSummary

PARTS = {"val": "val", "one": "id", "two": "id", "dots": "ood", "lines": "ood"}
ROLES = {
    "baseline": Role("baseline"),
    "slp": Role("slp", 0.1),
    "label_smoothing": Role("label_smoothing", 0.1),
    "aslp_mei": Role("aslp_mei"),
    "aslp_mc": Role("aslp_mc"),
}
# What each claim wants, told by metric; ID sets, then OOD sets.
USUAL = {
    "baseline": {"ece": (0.05, 0.12), "oe": (0.04, 0.11), "gap": (0.05, 0.12), "entropy": (0.1, 0.1)},
    "slp": {"ece": (0.03, 0.05), "oe": (0.01, 0.05), "gap": (0.0, 0.0), "entropy": (0.2, 0.2)},
    "label_smoothing": {"ece": (0.031, 0.05), "oe": (0.01, 0.05), "gap": (0.0, 0.0), "entropy": (0.2, 0.2)},
    "aslp_mei": {"ece": (0.02, 0.05), "oe": (0.01, 0.05), "gap": (0.0, 0.0), "entropy": (0.4, 0.4)},
    "aslp_mc": {"ece": (0.01, 0.05), "oe": (0.01, 0.05), "gap": (0.0, 0.0), "entropy": (0.3, 0.3)},
}
WIDTH = 0.002  # resampled values lie this far to either side
RESAMPLES = 101


def sampled(points: dict[str, float], seeds=(0,), up: bool = True, **more) -> Sampled:
    """Values in even steps around the points. Those of `up` rise together, and their differences have no spread."""
    course = WIDTH * np.linspace(-1, 1, RESAMPLES) * (1 if up else -1)
    many = {name: np.full(len(seeds), value) for name, value in points.items()}
    return Sampled(100, list(seeds), many, {name: a[:, None] + course for name, a in many.items()}, **more)


def view(changes: dict | None = None, roles: dict | None = None, wide: tuple[str, ...] = (), **more) -> View:
    """An experiment of the five methods in both protocols.

    Args:
        changes: (method, metric, part) -> value in place of the usual one.
        roles: in place of the five.
        wide: methods whose values fall where the others' rise, so that a difference is uncertain by 2 WIDTH.
    """
    roles = roles or ROLES
    samples = {}
    for protocol in PROTOCOLS:
        for method, role in roles.items():
            for part, its_role in PARTS.items():
                usual = USUAL.get(method) or USUAL.get(role.code) or USUAL["slp"]
                points = {name: pair[its_role == "ood"] for name, pair in usual.items()} | {"accuracy": 0.9}
                points |= {k: v for (m, k, p), v in (changes or {}).items() if (m, p) == (method, part)}
                if part != "val":
                    samples[protocol, method, part] = sampled(points, up=method not in wide)
    files = {(method, 0, part): Path("nowhere") for method in roles for part in PARTS}
    return View(Results("made", files, PARTS, 10, 60), roles, samples, **more)


def without(found: View, *methods: str) -> View:
    roles = {name: role for name, role in found.roles.items() if name not in methods}
    return replace(found, roles=roles)


def without_parts(found: View, role: str) -> View:
    parts = {part: its_role for part, its_role in PARTS.items() if its_role != role}
    return replace(found, results=replace(found.results, parts=parts))


def claim(name: str):
    return next(item for item in CLAIMS if item.name == name)


def finding(name: str, seen: View) -> Finding:
    return Finding.of(found(claim(name), seen))


AGAINST = {
    "C1": [("baseline", "gap", "two", -0.03), ("baseline", "oe", "lines", 0.07), ("baseline", "oe", "one", 0.06)],
    "C2": [("slp", "ece", "two", 0.06), ("slp", "oe", "one", 0.05)],
    "C3": [("slp", "ece", "one", 0.04), ("slp", "ece", "two", 0.02)],
    "C4": [("slp", "ece", "two", 0.005), ("aslp_mei", "ece", "one", 0.005), ("aslp_mc", "ece", "one", 0.08)],
    "C5": [("aslp_mc", "accuracy", "one", 0.89), ("aslp_mei", "accuracy", "two", 0.85)],
    "C6": [("aslp_mc", "ece", "dots", 0.2), ("aslp_mei", "oe", "lines", 0.2)],
    "C7": [("aslp_mc", "entropy", "one", 0.5), ("baseline", "entropy", "dots", 0.5)],
}


@pytest.mark.parametrize("name", AGAINST)
def test_holds_where_every_set_agrees(name):
    for protocol in PROTOCOLS:
        result = finding(name, view(protocol=protocol))
        assert result.verdict == HOLDS, result.why
        assert result.evidence
        assert all(item.low <= item.effect <= item.high and item.seeds == {0: item.effect} for item in result.evidence)


@pytest.mark.parametrize(("name", "change"), [(name, change) for name, of in AGAINST.items() for change in of])
def test_one_opposite_set_is_enough_against(name, change):
    *where, value = change
    result = finding(name, view({tuple(where): value}))
    assert result.verdict == FAILS
    against = [item for item in result.evidence if item.says == "against it"]
    assert all(change[0] in item.what and change[2] in item.sets for item in against)
    assert "The clearest against it" in result.why


@pytest.mark.parametrize(
    ("name", "change", "wide"),
    [
        ("C1", ("baseline", "gap", "one", 0.001), ()),
        ("C1", ("baseline", "oe", "dots", 0.081), ("baseline",)),
        ("C2", ("slp", "oe", "two", 0.039), ("slp",)),
        ("C3", ("slp", "ece", "one", 0.036), ("slp",)),
        ("C4", ("aslp_mc", "ece", "one", 0.019), ("aslp_mc",)),
        ("C5", ("aslp_mei", "accuracy", "two", 0.8951), ("aslp_mei",)),
        ("C6", ("aslp_mc", "oe", "lines", 0.109), ("aslp_mc",)),
        ("C7", ("aslp_mei", "entropy", "dots", 0.301), ("aslp_mei",)),
    ],
)
def test_an_interval_across_the_bound_decides_nothing(name, change, wide):
    *where, value = change
    result = finding(name, view({tuple(where): value}, wide=wide))
    assert result.verdict == OPEN
    assert "The most open" in result.why


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("C1", "baseline"),
        ("C2", "slp"),
        ("C2", "baseline"),
        ("C3", "label_smoothing"),
        ("C3", "slp"),
        ("C4", "aslp_mc"),
        ("C5", "aslp_mei"),
        ("C5", "aslp_mc"),
        ("C6", "baseline"),
        ("C7", "aslp_mei"),
        ("C9", "aslp_mc"),
    ],
)
def test_a_missing_method_is_named_with_the_command(name, missing):
    result = finding(name, without(view(), missing))
    assert result.verdict == NOT_RUN
    assert f"a block of {missing}" in result.why
    assert "snakemake --cores all --config experiment=made" in result.why


@pytest.mark.parametrize(("name", "role"), [("C1", "id"), ("C1", "ood"), ("C2", "id"), ("C6", "ood"), ("C7", "id")])
def test_missing_sets_are_named(name, role):
    result = finding(name, without_parts(view(), role))
    assert result.verdict == NOT_RUN
    assert f"“data: {role}:”" in result.why


def test_a_run_that_was_not_evaluated_is_named():
    seen = view()
    samples = {key: value for key, value in seen.samples.items() if key != ("raw", "slp", "two")}
    result = finding("C2", replace(seen, samples=samples))
    assert result.verdict == NOT_RUN
    assert result.missing[0].what == "slp on two"
    assert len(result.missing) == 1


def test_what_opposes_counts_although_something_is_missing():
    result = finding("C6", without(view({("aslp_mc", "ece", "dots"): 0.2}), "aslp_mei"))
    assert result.verdict == FAILS
    assert "Missing: a block of aslp_mei" in result.why


def test_twice_as_much_is_far_more():
    only_more = {("baseline", "oe", part): 0.06 for part in ("dots", "lines")}  # 0.04 on ID sets
    assert finding("C1", view(only_more)).verdict == FAILS


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.9, HOLDS), (0.8951, HOLDS), (0.8949, FAILS), (0.95, HOLDS)])
def test_accuracy_is_kept_within_half_a_point(accuracy, verdict):
    assert finding("C5", view({("aslp_mc", "accuracy", "one"): accuracy})).verdict == verdict


@pytest.mark.parametrize(("ece", "verdict"), [(0.0359, HOLDS), (0.0361, FAILS), (0.0261, HOLDS), (0.0259, FAILS)])
def test_alike_is_within_half_a_point(ece, verdict):
    assert finding("C3", view({("slp", "ece", "one"): ece})).verdict == verdict


def test_equal_methods_are_not_decided():
    """Two methods of the very same maps: no effect, and no interval to speak of."""
    assert Evidence("same", {"one": 1}, {0: 0.0}, 0.0, 0.0, BELOW_ZERO).says == "open"
    assert Evidence("undefined", {"one": 1}, {0: 0.0}, np.nan, np.nan, BELOW_ZERO).says == "open"


# Who plays which part


def test_a_block_is_known_by_its_code():
    made = {
        "soft": Role.from_block("slp", {"alpha": 0.0666667, "beta": 0.75}),
        "slp": Role.from_block("slp", {"alpha": 0.05, "beta": 1.0}),
        "ls": Role.from_block("label_smoothing", {"eps": 0.1}),
        "mine": Role.from_block("", {"alpha": 3, "of": "baseline"}),
        "cooled": Role.from_block("temperature", {"of": "base"}),
        "cooled_soft": Role.from_block("temperature", {"of": "soft"}),
        "base": Role.from_block("baseline", {}),
        "aslp_cl": Role.from_block("aslp_cl", {}),
    }
    assert blocks(made, "slp") == ["slp", "soft"]
    assert blocks(made, "label_smoothing") == ["ls"]
    assert blocks(made, "aslp_mc") == []
    assert made["soft"].s == pytest.approx(made["ls"].s, rel=1e-5)
    assert compared(made) == ["soft", "slp", "ls", "cooled", "base"]


def test_claims_follow_the_code_and_not_the_name():
    names = {
        "base": "baseline",
        "soft": "slp",
        "ls": "label_smoothing",
        "entropic": "aslp_mei",
        "calibrated": "aslp_mc",
    }
    renamed = view(roles={name: ROLES[code] for name, code in names.items()})
    for name in AGAINST:
        assert finding(name, renamed).verdict == HOLDS, name


def test_variants_are_judged_beside_and_decide_nothing():
    variant = {"slp_si": Role("slp", 0.1)} | ROLES
    seen = view({("slp_si", "ece", "one"): 0.2}, variant)
    assert finding("C2", seen).verdict == HOLDS
    ((what, result),) = beside(claim("C2"), seen)
    assert (what, result.verdict) == ("slp_si instead", FAILS)
    assert finding("C3", seen).verdict == FAILS  # which speaks of every SLP of the same s


def test_only_equal_s_is_compared():
    seen = view({("strong", "ece", "one"): 0.2}, ROLES | {"strong": Role("slp", 0.2)})
    assert finding("C3", seen).verdict == HOLDS
    alone = {name: role for name, role in seen.roles.items() if name != "slp"}
    assert "2 alpha beta = 0.1" in finding("C3", replace(seen, roles=alone)).why


def test_methods_outside_the_comparison_have_no_say():
    seen = view({("aslp_cl", "ece", "one"): 0.001}, ROLES | {"aslp_cl": Role("aslp_cl")})
    assert finding("C4", seen).verdict == HOLDS
    results = {what: result.verdict for what, result in beside(claim("C4"), seen)}
    assert results == {"aslp_cl instead": FAILS, "aslp_mc against aslp_cl": FAILS}


def test_s_and_e_stand_beside_accuracy():
    changes = {(method, "s_measure", part): 0.8 for method in ROLES for part in PARTS}
    lower = changes | {("aslp_mc", "s_measure", "two"): 0.7}
    for points, verdict in ((changes, HOLDS), (lower, FAILS)):
        seen = view(points)
        results = {what: result.verdict for what, result in beside(claim("C5"), seen)}
        assert results == {"S-measure of aslp_mc": verdict, "S-measure of aslp_mei": HOLDS}  # nobody measured E
        assert finding("C5", seen).verdict == HOLDS
    assert not list(beside(claim("C5"), view()))


def test_temperature_counts_among_the_methods():
    roles = ROLES | {"temperature": Role("temperature", of="baseline")}
    assert finding("C4", view({("temperature", "ece", "two"): 0.001}, roles)).verdict == FAILS


# C8: other experiments


def left(folder: Path, name: str, seen: View) -> ExperimentSummary:
    """An experiment whose claims.json lies in a folder; its task is the first word of its name."""
    (folder / name).mkdir()
    text = json.dumps(judged(replace(seen, results=replace(seen.results, experiment=name))))
    (folder / name / "claims.json").write_text(text)
    return other(folder, name)


def other(folder: Path, name: str) -> ExperimentSummary:
    return ExperimentSummary(name, name.partition("-")[0], "small", name, folder / name / "tables")


TEXTS = {"cod": "camouflaged objects", "smoke": "smoke", "semantic": "semantic segmentation", "polyp": "polyps"}


def c8(seen: View, experiments: list[ExperimentSummary], protocol: str = "raw") -> dict:
    return other_tasks.judged(judged(seen), experiments, TEXTS)["protocols"][protocol]


def test_c8_needs_every_task_that_it_names(tmp_path):
    made = [other(tmp_path, "sod-made"), *(left(tmp_path, name, view()) for name in ("cod", "smoke", "semantic"))]
    facts = c8(view(), made)
    assert facts["verdict"] == HOLDS
    # On each task two sets, two methods and two metrics; the numbers are those of the experiment on it.
    assert len(facts["evidence"]) == 3 * 2 * 2 * 2
    item = facts["evidence"][0]
    assert item["what"] == "camouflaged objects (cod): ECE of aslp_mc − baseline"
    assert item["effect"] == pytest.approx(0.01 - 0.05) and item["sets"] == {"one": 100}
    absent = c8(view(), made[:3])
    assert absent["verdict"] == NOT_RUN and "an experiment on semantic segmentation" in absent["why"]
    not_run = c8(view(), [*made[:3], other(tmp_path, "semantic-new")])
    assert not_run["verdict"] == NOT_RUN
    assert not_run["missing"] == [
        {
            "what": "the experiment semantic-new (semantic segmentation)",
            "do": "run: snakemake --cores all --config experiment=semantic-new",
        }
    ]


@pytest.mark.parametrize(
    "change", [("aslp_mei", "ece", "two", 0.9), ("aslp_mc", "ece", "one", 0.9), ("aslp_mei", "accuracy", "one", 0.8)]
)
def test_c8_fails_on_one_set_of_one_task(tmp_path, change):
    *where, value = change
    made = [left(tmp_path, name, view()) for name in ("cod", "smoke", "semantic")]
    worse = left(tmp_path, "smoke-worse", view({tuple(where): value}))
    assert c8(view(), [*made, worse])["verdict"] == FAILS
    # A task that the claim does not name has no say.
    aside = left(tmp_path, "polyp", view({tuple(where): value}))
    facts = c8(view(), [*made, aside])
    assert facts["verdict"] == HOLDS
    assert [(item["what"], item["verdict"]) for item in facts["beside"]] == [("polyps", FAILS)]


def test_c8_takes_what_an_experiment_has(tmp_path):
    """One protocol where there are several classes; a method less; the experiment itself, from its own numbers."""
    cod, smoke = (left(tmp_path, name, view()) for name in ("cod", "smoke"))
    several = view()
    several = replace(several, results=replace(several.results, classes=11))
    semantic = left(tmp_path, "semantic", several)
    assert len(c8(view(), [cod, smoke, semantic])["evidence"]) == 24
    assert len(c8(view(), [cod, smoke, semantic], "stretched")["evidence"]) == 16
    own = replace(view(), results=replace(view().results, experiment="cod"))
    tree = judged(own)
    (tmp_path / "cod/claims.json").unlink()
    assert other_tasks.judged(tree, [cod, smoke, semantic], TEXTS)["protocols"]["raw"]["verdict"] == HOLDS
    fewer = left(tmp_path, "cod-few", without(view(), "aslp_mei"))
    facts = c8(view(), [fewer, smoke, semantic])
    assert (
        facts["verdict"] == NOT_RUN and "aslp_mei beside the baseline in camouflaged objects (cod-few)" in facts["why"]
    )


def test_c8_names_sets_and_runs_that_an_experiment_lacks(tmp_path):
    smoke, semantic = (left(tmp_path, name, view()) for name in ("smoke", "semantic"))
    half = view()
    samples = {key: value for key, value in half.samples.items() if key[1:] != ("aslp_mc", "two")}
    facts = c8(view(), [left(tmp_path, "cod", replace(half, samples=samples)), smoke, semantic])
    assert facts["verdict"] == NOT_RUN and [item["what"] for item in facts["missing"]] == ["aslp_mc on two"]
    bare = left(tmp_path, "cod-bare", without_parts(view(), "id"))
    facts = c8(view(), [bare, smoke, semantic])
    assert facts["verdict"] == NOT_RUN and "a test set in distribution of camouflaged objects" in facts["why"]


# Seeds


def of_seeds(**by_method: dict[int, float]) -> View:
    """ECE by method and seed, on one set, where slp and baseline rise together."""
    samples = {}
    for method, values in by_method.items():
        own = sampled({"ece": 0.0, "oe": 0.0}, list(values))
        points = {name: np.array(list(values.values())) for name in ("ece", "oe")}
        shifted = {name: own.values[name] + points[name][:, None] for name in points}
        samples["raw", method, "one"] = replace(own, points=points, values=shifted)
    files = {(m, seed, "one"): Path("nowhere") for m, values in by_method.items() for seed in values}
    return View(Results("made", files, {"one": "id"}, 10, 60), {m: Role(m) for m in by_method}, samples)


def test_seeds_are_paired_and_averaged():
    seen = of_seeds(slp={0: 0.01, 1: 0.04, 2: 0.5}, baseline={0: 0.03, 1: 0.05, 3: 0.9})
    first = finding("C2", seen).evidence[0]
    assert first.seeds == pytest.approx({0: -0.02, 1: -0.01})
    assert (first.effect, first.low, first.high) == pytest.approx((-0.015, -0.015, -0.015))


def test_without_a_shared_seed_nothing_is_compared():
    result = finding("C2", of_seeds(slp={0: 0.01}, baseline={1: 0.03}))
    assert result.verdict == NOT_RUN
    assert "a seed that slp and baseline share" in result.why


def test_one_run_of_all_seeds_stands_beside_each():
    seen = of_seeds(slp={0: 0.01}, baseline={0: 0.03, 1: 0.05})
    seen.samples["raw", "slp", "one"] = replace(seen.samples["raw", "slp", "one"], of_all_seeds=True)
    assert finding("C2", seen).evidence[0].seeds == pytest.approx({0: -0.02, 1: -0.04})


# From maps to claims


def image(method: str, seed: int, part: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([len(method), seed, number, *part.encode()])
    truth = (rng.random((9, 8)) < (0 if part == "dots" else 0.4)).astype(np.uint8)
    wrong = rng.random(truth.shape) < (0.3 if method == "baseline" else 0.1)
    value = np.where(truth ^ wrong, rng.integers(130, 256, truth.shape), rng.integers(0, 126, truth.shape))
    return value.astype(np.uint8), truth


def made_results(folder: Path, methods=("baseline", "aslp_mc"), seeds=(0, 1), **more) -> Results:
    files = {}
    for method in methods:
        for seed in seeds:
            for part in ("val", "one", "dots"):
                statistic = Statistic.empty()
                for number in range(7):
                    statistic.add(*image(method, seed, part, number), f"{part}/{number}")
                files[method, seed, part] = folder / f"{method}-{seed}-{part}.npz"
                statistic.save(files[method, seed, part], {})
    return Results("made", files, {"val": "val", "one": "id", "dots": "ood"}, 10, 60, **more)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return made_results(tmp_path_factory.mktemp("statistics"))


def test_sums_per_image_give_the_metrics(results):
    for (method, seed, part), file in results.statistics.items():
        statistic, _ = Statistic.load(file)
        for protocol in PROTOCOLS:
            counts = getattr(statistic, protocol)
            values = metrics(per_image(Run(statistic, counts), 10).sum(axis=0), 10)
            for metric in (ece, oe, accuracy, entropy):
                assert values[metric.__name__] == pytest.approx(metric(counts), abs=1e-12), (method, seed, part, metric)
            f = np.concatenate([image(method, seed, part, n)[0].ravel() for n in range(7)]) / 255
            if protocol == "raw":
                assert values["gap"] == pytest.approx(np.maximum(f, 1 - f).mean() - accuracy(counts), abs=1e-7)


def test_intervals_are_those_of_the_paired_bootstrap(results):
    samples = sample(results)
    roles = {"baseline": Role("baseline"), "aslp_mc": Role("aslp_mc")}
    one_seed = {key: _first_seed(value) for key, value in samples.items()}
    seen = View(results, roles, one_seed, "stretched")
    found_here = seen.difference("ece", BELOW_ZERO, "aslp_mc", "baseline", "one")
    a, b = (Statistic.load(results.statistics[m, 0, "one"])[0].stretched for m in ("aslp_mc", "baseline"))
    first, second = (resampled(c, {"ece": ece(c)}, 10, 1000, zlib.crc32(b"one")).values["ece"] for c in (a, b))
    expected = (ece(a) - ece(b), *percentiles(first - second))
    assert (found_here.effect, found_here.low, found_here.high) == pytest.approx(expected, abs=1e-12)


def _first_seed(of: Sampled) -> Sampled:
    points, values = ({name: a[:1] for name, a in by_metric.items()} for by_metric in (of.points, of.values))
    return Sampled(of.images, of.seeds[:1], points, values)


def test_other_images_cannot_be_paired(results, tmp_path):
    statistic = Statistic.empty()
    statistic.add(*image("aslp_mc", 1, "one", 0), "one/other")
    statistic.save(tmp_path / "other.npz", {})
    files = dict(results.statistics) | {("aslp_mc", 1, "one"): tmp_path / "other.npz"}
    with pytest.raises(UserError, match="aslp_mc seed 1 on one: other images"):
        sample(replace(results, statistics=files), 10)


def test_validation_images_are_no_evidence(results):
    assert {part for _, _, part in sample(results, 10)} == {"one", "dots"}


@pytest.fixture(scope="module")
def written(results, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("claims")
    write_claims(results, {"baseline": Role("baseline"), "aslp_mc": Role("aslp_mc")}, {}, folder)
    return folder


def test_files_say_the_same(written):
    assert sorted(path.name for path in written.iterdir()) == sorted(CLAIM_FILES)
    tree = json.loads((written / "claims.json").read_text(encoding="utf-8"))
    text = (written / "claims.md").read_text(encoding="utf-8")
    assert [item["claim"] for item in tree["claims"]] == [f"C{k}" for k in range(1, 10)]
    for item in tree["claims"]:
        assert set(item["protocols"]) == ({"any"} if item["claim"] == "C9" else set(PROTOCOLS))
        for facts in item["protocols"].values():
            assert facts["verdict"] in (HOLDS, FAILS, OPEN, NOT_RUN)
            assert facts["verdict"] in text
            assert (facts["verdict"] == NOT_RUN) <= bool(facts["missing"])
            for evidence in facts["evidence"]:
                assert evidence["printed"].split(" ")[0] in text
                assert evidence["sets"] in ({"one": 7}, {"dots": 7}, {"dots": 7, "one": 7})
    assert "label_smoothing" in tree["not_compared"]


def test_effects_are_differences_of_the_metrics(results, written):
    tree = json.loads((written / "claims.json").read_text(encoding="utf-8"))
    for name, metric in (("C4", ece), ("C5", accuracy)):
        for protocol in PROTOCOLS:
            (evidence,) = next(c for c in tree["claims"] if c["claim"] == name)["protocols"][protocol]["evidence"]
            for seed in (0, 1):
                files = [results.statistics[method, seed, "one"] for method in ("aslp_mc", "baseline")]
                mc, base = (metric(getattr(Statistic.load(file)[0], protocol)) for file in files)
                assert evidence["seeds"][str(seed)] == pytest.approx(mc - base, abs=1e-12)
            assert evidence["effect"] == pytest.approx(sum(evidence["seeds"].values()) / 2, abs=1e-15)


def test_same_statistics_same_bytes(results, written, tmp_path):
    write_claims(results, {"baseline": Role("baseline"), "aslp_mc": Role("aslp_mc")}, {}, tmp_path)
    for name in CLAIM_FILES:
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


def test_only_c8_follows_what_lies_in_results(written, tmp_path):
    for name in CLAIM_FILES:
        (tmp_path / name).write_bytes((written / name).read_bytes())
    (tmp_path / "others").mkdir()
    made = [left(tmp_path / "others", name, view()) for name in ("cod", "smoke", "semantic")]
    write_other_tasks(tmp_path, made, TEXTS)
    before, after = (json.loads((folder / "claims.json").read_text())["claims"] for folder in (written, tmp_path))
    assert [a["claim"] for a, b in zip(before, after, strict=True) if a != b] == ["C8"]
    assert after[7]["protocols"]["raw"]["verdict"] == HOLDS
    assert "camouflaged objects (cod): ECE of aslp\\_mc" in (tmp_path / "claims.md").read_text()
    write_other_tasks(tmp_path, [], {})
    assert all((tmp_path / name).read_bytes() == (written / name).read_bytes() for name in CLAIM_FILES)


def test_generated_images_are_never_concealed():
    """Every verdict on generated images says that they are."""
    seen = view()
    seen = replace(seen, results=replace(seen.results, synthetic=True))
    tree = judged(seen)
    assert tree["synthetic"]
    from pipeline_src.claims.text import markdown, verdicts

    cells = [cell for row in verdicts(tree).groups[0].rows for cell in row[1:]]
    assert set(cells) == {"holds, on generated images", "not run"}
    assert "settle no claim" in markdown(tree)
    assert "settle no claim" not in markdown(judged(view()))


# C9


def alpha_file(folder: Path, values: np.ndarray, name: str = "alpha.csv") -> Path:
    """`values` (images, epochs) as training writes them."""
    table = pd.DataFrame(values, columns=[str(k + 1) for k in range(values.shape[1])])
    table.insert(0, "id", [f"set/{k}" for k in range(len(values))])
    table.to_csv(folder / name, index=False)
    return folder / name


def saw(margins: np.ndarray, beta: float = 1.0, epochs: int = 60, accuracy: float = 0.94) -> np.ndarray:
    """ASLP_MC's alphas (N, epochs) of images whose margins stay what they are, from alphas at random."""
    rng, eta, lam = np.random.default_rng(0), 0.002, 2000
    alpha, course = 0.06 * rng.random(len(margins)) / beta, []
    for _ in range(epochs):
        alpha = alpha + eta * (margins / beta + lam * np.minimum(0, 1 - accuracy - beta * alpha))
        alpha = np.maximum(np.where(alpha >= 0.5 / beta, 0.5 / beta - 0.01, alpha), 0)
        course.append(alpha)
    return np.array(course).T


@pytest.mark.parametrize("beta", [0.75, 1.0, 2.0])
def test_a_saw_alone_is_no_difference(tmp_path, beta):
    """Images alike in all but their phase: after the last epoch their alphas differ, and their own parts don't."""
    values = saw(np.full(500, 4.0), beta)
    assert values[:, -1].std() > 0.05 * values[:, -1].mean()
    result = alphas.differ("aslp_mc", {0: alpha_file(tmp_path, values)})
    assert result.says == "against it", result.text


def test_images_that_differ_are_told_from_the_saw(tmp_path):
    values = saw(np.full(500, 4.0)) * np.random.default_rng(1).uniform(0.5, 1.5, (500, 1))
    result = alphas.differ("aslp_mc", {0: alpha_file(tmp_path, values)})
    assert result.says == "for it"
    assert result.effect == pytest.approx(np.sqrt(1 / 12), rel=0.1)


def test_a_tenth_of_the_mean_is_not_decided(tmp_path):
    values = 0.05 * (1 + 0.1 * np.random.default_rng(2).standard_normal((300, 1))) * np.ones(30)
    assert alphas.differ("aslp_mc", {0: alpha_file(tmp_path, values)}).says == "open"


def test_seeds_of_alphas_are_averaged(tmp_path):
    own = np.random.default_rng(3).uniform(0.5, 1.5, (200, 1))
    files = {
        seed: alpha_file(tmp_path, 0.05 * own**power * np.ones(30), f"{seed}.csv") for seed, power in ((0, 1), (4, 0))
    }
    result = alphas.differ("aslp_mc", files)
    assert list(result.seeds) == [0, 4]
    assert result.seeds[4] == pytest.approx(0, abs=1e-6)
    assert result.effect == pytest.approx(result.seeds[0] / 2, abs=1e-6)


def test_alphas_of_0_do_not_differ(tmp_path):
    result = alphas.differ("aslp_mei", {0: alpha_file(tmp_path, np.zeros((20, 30)))})
    assert (result.effect, result.says) == (0, "against it")


def test_c9_needs_both_and_enough_epochs(tmp_path):
    differing = alpha_file(tmp_path, np.random.default_rng(1).uniform(0.5, 1.5, (50, 1)) * np.ones(20))
    short = alpha_file(tmp_path, np.ones((50, 14)), "short.csv")
    assert finding("C9", view(alphas={("aslp_mc", 0): differing, ("aslp_mei", 0): differing})).verdict == HOLDS
    assert "15 epochs" in finding("C9", view(alphas={("aslp_mc", 0): differing, ("aslp_mei", 0): short})).why
    assert "the run of aslp_mei" in finding("C9", view(alphas={("aslp_mc", 0): differing})).why


def test_effects_as_they_are_printed():
    assert POINTS.text(0.0123) == "+1.23"
    assert POINTS.text(-0.0123) == "−1.23"
    assert POINTS.text(-0.00001) == "0.00"
    assert Wanted(-0.005, np.inf).text(POINTS) == "above −0.50"
    assert Wanted(-0.005, 0.005).text(POINTS) == "within ±0.50"
    assert BELOW_ZERO.text(POINTS) == "below 0"
