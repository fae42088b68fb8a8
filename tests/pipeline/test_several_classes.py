"""An experiment on three classes with void, from files to the report."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import project
import pytest
import yaml
from made_sets import encoded, write_files

from pipeline_src.analysis.results import Results
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.storage import load
from pipeline_src.data.build import build
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.metrics.registry import summary
from pipeline_src.params.load import read
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.graph import build as build_experiment
from pipeline_src.pipeline.job import UNPACKED
from pipeline_src.pipeline.runner import run_job
from pipeline_src.pipeline.steps.networks import load_networks
from pipeline_src.pipeline.steps.numbers import counts_file
from pipeline_src.pipeline.steps.report import job_results
from pipeline_src.prediction.evaluate import evaluate
from pipeline_src.prediction.predict import Predictor
from pipeline_src.training.registry import choose

CLASSES = ["background", "red", "blue"]
VOID = 9
METHODS = ["baseline", "aslp_mc", "temperature"]
ROOT = project.ROOT


def files(first: int, count: int) -> dict[str, bytes]:
    """Images of noise with a red and a blue block, and masks of ids whose first rows are void."""
    found = {}
    for i in range(first, first + count):
        rng = np.random.default_rng(i)
        ids = np.zeros((36, 44), np.uint8)
        y, x = rng.integers(8, 16, 2)
        ids[y : y + 12, x : x + 8], ids[y + 2 : y + 14, x + 12 : x + 20] = 1, 2
        picture = rng.integers(0, 140, (36, 44, 3)) + 60 * np.stack([ids == 1, ids == 3, ids == 2], axis=2)
        ids[:3] = VOID
        found |= {f"Image/s{i:02}.png": encoded(picture.astype(np.uint8)), f"Label/s{i:02}.png": encoded(ids)}
        found[f"Texture/t{i:02}.png"] = encoded(rng.integers(0, 200, (30, 40, 3)).astype(np.uint8))
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> ExperimentGraph:
    """The whole graph, made in a folder of its own."""
    folder = tmp_path_factory.mktemp("several")
    write_files(folder / "data/downloads/blocks", files(0, 12))
    write_files(folder / "data/downloads/unseen", files(20, 4))
    parts = {name: {"set": "blocks", **which} for name, which in (("train", {"first": 8}), ("val", {"last": 4}))}
    made = {
        "image_size": 32,
        "seeds": [0],
        "methods": METHODS,
        "claims": ["C1", "C4", "C5", "C9"],
        "model": {"config": "tiny_fpn", "pretrained": False},
        "training": {"epochs": 2, "batch_size": 4, "device": "cpu"},
        "data": parts | {"id": {"unseen": {"set": "unseen"}}, "ood": {"textures": {"set": "plain", "first": 3}}},
    }
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["experiments"] = {"several": made}
    params["experiment"] = "several"
    layout = {"images": "Image", "masks": "Label", "classes": CLASSES, "void": VOID}
    params["datasets"] = {name: layout | {"folder": name} for name in ("blocks", "unseen")}
    params["datasets"]["plain"] = {"folder": "blocks", "images": "Texture", "ood": True}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        project.draw_quickly(patch)
        patch.delenv("ASLP_DOWNLOADS", raising=False)
        found = build_experiment(read())
        for job in found.jobs.values():
            run_job(job)
        yield found


def results(built: ExperimentGraph) -> Results:
    return job_results(built.job("tables"))


def counts_of(built: ExperimentGraph, method: str, part: str) -> Counts:
    return load(built.evaluation(method, 0).folder / counts_file(part))["raw"]


def test_methods_of_null_images_are_refused(built, monkeypatch):
    monkeypatch.setitem(built.methods, "aslp_cl", choose("aslp_groups", {}))
    with pytest.raises(UserError, match=r"methods\.aslp_cl"):
        built.check()


@pytest.mark.parametrize("name", ["beta", "isotonic", "histogram_binning"])
def test_calibrators_of_two_classes_are_refused(built, monkeypatch, name):
    monkeypatch.setitem(built.methods, "mine", choose(name, {}))
    with pytest.raises(UserError, match=r"methods\.mine"):
        built.check()


def test_void_counts_nowhere(built):
    store = Store(built.job("store/unseen").folder)
    valid = sum(int((store.truth(i) != 255).sum()) for i in range(len(store)))
    assert valid == 4 * 33 * 44
    for method in METHODS:
        counts = counts_of(built, method, "unseen")
        assert counts.pixels == counts.confusion.sum() == valid
        assert [of_class.pixels for of_class in counts.classes] == [valid] * 3


def test_temperature_keeps_the_classes_and_changes_the_confidence(built):
    before, after = (counts_of(built, method, "val") for method in ("baseline", "temperature"))
    assert (before.confusion == after.confusion).all()
    facts = json.loads(built.job("fit/temperature/seed0").paths[0].read_text())["fitted"]
    nll = [summary(of)[0]["nll"] for of in (before, after)]  # the fit saw these very pixels
    assert nll == pytest.approx([facts["fitted_on"]["nll_before"], facts["fitted_on"]["nll_after"]], abs=1e-4)


def test_tables_have_what_several_classes_have(built):
    folder = built.job("tables").folder
    main = pd.read_csv(folder / "main.csv")
    assert set(main["protocol"]) == {"raw"}
    row = main.set_index(["method", "part"]).loc["baseline", "unseen"]
    counts = counts_of(built, "baseline", "unseen")
    assert row["accuracy"] == pytest.approx(np.trace(counts.confusion) / counts.confusion.sum(), rel=1e-7)
    assert row["mean_iou"] == pytest.approx(summary(counts)[0]["mean_iou"], rel=1e-7)
    assert "mIoU %" in (folder / "main.md").read_text() and "MAE" not in (folder / "main.md").read_text()


def test_figures_and_report_are_there(built):
    assert (built.results / "report.html").is_file()
    names = [path.name for path in built.job("figures").folder.glob("*.svg")]
    assert names and not any("stretched" in name for name in names)


def test_without_a_background_every_answer_on_textures_is_wrong(built, tmp_path):
    named = built.entries["blocks"].model_copy(update={"classes": ("ground", "red", "blue")})
    other = replace(built, entries={**built.entries, "blocks": named})
    assert built.label("textures") == 0 and other.label("unseen") is None and other.label("textures") == 254
    chosen, _ = built.splits["textures"]
    build(
        chosen,
        built.entries["plain"],
        data_root=built.data_root,
        unpacked=UNPACKED,
        prepared=built.job("prepare/plain").folder,
        size=32,
        out=tmp_path / "store",
        label=other.label("textures"),
    )
    store = Store(tmp_path / "store")
    assert {int(v) for i in range(len(store)) for v in np.unique(store.truth(i))} == {254}
    networks = load_networks(built.evaluation("baseline", 0))
    counts = evaluate(Predictor(networks), store, built.settings, "textures")
    values, _ = summary(counts["raw"])
    assert values["accuracy"] == 0 and values["ece"] > 1 / 3
