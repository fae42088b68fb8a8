"""Post-hoc methods: temperature scaling, deep ensembles, Monte Carlo dropout; and their place in the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from project import copy, edit
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from training_runs import Coloured, MadeStore
from tutorial import command

from pipeline_src.calibrators.pixels import Pixels
from pipeline_src.calibrators.temperature import nll_at
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.params.schema import Experiment, Params
from pipeline_src.pipeline.job import Graph
from pipeline_src.pipeline.jobs import build
from pipeline_src.prediction.predict import Predictor, load, predict
from pipeline_src.training import calibrated as sampling
from pipeline_src.training.calibrated import calibrated_method
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.loop import train
from pipeline_src.training.methods import mc_dropout
from pipeline_src.training.methods.deep_ensemble import DeepEnsemble
from pipeline_src.training.methods.mc_dropout import MCDropout
from pipeline_src.training.methods.tta import TTA
from pipeline_src.training.models.build import build_segmentor, normalization
from pipeline_src.training.pixels import upsampled
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.training.registry import choose
from pipeline_src.validation import validate

Temperature = calibrated_method("temperature")

EXPERIMENT = Experiment(
    data={"train": {"set": "x"}, "val": {"set": "x"}, "id": {}},
    image_size=32,
    model={"config": "tiny_fpn", "pretrained": False},
    training={"batch_size": 4, "epochs": 3, "lr": 1e-2},
    evaluation={"batch_size": 4},
)
GRID = np.geomspace(0.01, 100, 4001)
STEP = GRID[1] / GRID[0]


@pytest.fixture(scope="module")
def networks(stores, tmp_path_factory) -> list[DenseClassifier]:
    """The baseline's networks of two seeds, as they are exported and loaded again."""
    loaded = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp(f"seed{seed}")
        opened = (Store(stores[part]) for part in ("train", "val"))
        train(*opened, EXPERIMENT, choose("baseline", {}).method, seed, folder / "work", "run").write(folder)
        loaded.append(load(folder / "model.safetensors", EXPERIMENT))
    return loaded


@pytest.fixture(scope="module")
def val(stores) -> Store:
    return Store(stores["val"])


def of_classes() -> MadeStore:
    """Random images with masks of three classes; 255, and an id that there is not, are ignored."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 32, 32, 3), np.uint8)
    return MadeStore(images, rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (5, 40, 50)), 3)


@pytest.fixture(scope="module")
def three() -> DenseClassifier:
    torch.manual_seed(0)
    segmentor = build_segmentor("tiny_fpn", False, 32, 3)
    return DenseClassifier(segmentor, normalization("tiny_fpn"), classes=3).eval()


def maps(predictor: Predictor, store, experiment: Experiment = EXPERIMENT) -> dict[str, np.ndarray]:
    return {name: probability for probability, _, name in predict(predictor, store, experiment)}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


# Temperature


def sampled(network, store, experiment) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pixels = sampling.validation_pixels(network, store, experiment)
    return pixels.z, pixels.labels, pixels.weights


def at(t: float) -> dict:
    """What is fitted where the temperature is t."""
    return {"parameters": {"temperature": t}}


def line_search(z: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """The temperature of GRID with the least NLL. It has one minimum, which lies next to that of every 50th."""
    coarse = 50 * np.argmin([nll_at(z, labels, weights, t) for t in GRID[::50]])
    near = GRID[max(0, coarse - 50) : coarse + 51]
    return near[np.argmin([nll_at(z, labels, weights, t) for t in near])]


def test_the_temperature_is_that_of_a_line_search(networks, val):
    z, labels, weights = sampled(networks[0], val, EXPERIMENT)
    least = line_search(z, labels, weights)
    fitted = Temperature().fit(networks[:1], val, EXPERIMENT)
    on = fitted["fitted_on"]
    assert 1 / STEP <= fitted["parameters"]["temperature"] / least <= STEP
    assert on["nll_after"] <= min(on["nll_before"], nll_at(z, labels, weights, least)) + 1e-8
    assert on["nll_before"] == pytest.approx(np.logaddexp(0, (1 - 2 * labels) * z[:, 0]).mean(), rel=1e-6)
    assert on["pixels"] == len(z) == sum(row.height * row.width for row in val.index)
    assert on["images"] == len(val)


def test_a_temperature_at_a_bound_is_logged(caplog, monkeypatch):
    certain = Pixels(np.array([[5.0], [-5.0]]), np.array([1, 0]), np.ones(2), np.zeros(2, int), np.zeros((1, 4)))
    monkeypatch.setattr(sampling, "validation_pixels", lambda *_: certain)
    fitted = Temperature().fit([None], None, None)
    assert fitted["parameters"]["temperature"] == pytest.approx(0.01, rel=1e-3)
    assert caplog.text.count("lies at a bound") == 1


def test_temperature_one_is_the_baseline_and_no_temperature_changes_a_class(networks, val):
    plain = maps(Predictor(networks[:1]), val)
    assert same(plain, {name: p for p, _, name in predicted_as_trained(networks[0], val)})
    unchanged = maps(Predictor(networks[:1], Temperature(), 0, at(1.0)), val)
    assert all(unchanged[name] == pytest.approx(plain[name], abs=2e-7) for name in plain)
    for t in (0.3, 7.0):
        scaled = maps(Predictor(networks[:1], Temperature(), 0, at(t)), val)
        assert not same(plain, scaled)
        assert all(np.array_equal(plain[name] >= 0.5, scaled[name] >= 0.5) for name in plain)


def predicted_as_trained(network: DenseClassifier, store: Store):
    """What validation during training sees."""
    from torch.utils.data import DataLoader

    from pipeline_src.training.batches import EvaluationSamples, collate

    with torch.inference_mode():
        for batch in DataLoader(EvaluationSamples(store), 4, collate_fn=collate):
            yield from network(**batch, mode="predict")


def test_softmax_temperature(three):
    store = of_classes()
    z, labels, weights = sampled(three, store, EXPERIMENT)
    assert (weights == 1).all()
    assert z.shape == (len(labels), 3)
    assert len(labels) == sum((store.truth(i) < 3).sum() for i in range(5))
    assert set(labels) == {0, 1, 2}
    plain = maps(Predictor([three]), store)
    scaled = maps(Predictor([three], Temperature(), 0, at(2.0)), store)
    for name, probability in scaled.items():
        assert probability.shape == (3, 40, 50)
        expected = np.sqrt(plain[name]) / np.sqrt(plain[name]).sum(0)
        assert probability == pytest.approx(expected, abs=1e-6)


def test_the_sample_is_keyed_by_image(networks, val, monkeypatch):
    everything = sampled(networks[0], val, EXPERIMENT)[0]
    monkeypatch.setattr(sampling, "MOST_LOGITS", 0.1 * 2 * len(everything))
    z, labels, weights = sampled(networks[0], val, EXPERIMENT)
    sizes = np.array([row.height * row.width for row in val.index])
    drawn = np.ceil(0.1 * sizes).astype(int)
    assert weights == pytest.approx(np.repeat(sizes / drawn, drawn))
    assert z.shape == (drawn.sum(), 1)
    assert labels.shape == (drawn.sum(),)
    assert np.isin(z, everything).all()
    alone = EXPERIMENT.model_copy(update={"evaluation": EXPERIMENT.evaluation.model_copy(update={"batch_size": 1})})
    again = sampled(networks[0], val, alone)[0]
    assert again == pytest.approx(z, abs=1e-4)


class Mix(MadeStore):
    """32 small images on which `Coloured` is much too sure (the truth is drawn at z / 1.95) and two large ones on which
    it is less so (z / 1.19): 96 % of the pixels, and 6 % of the images. A tenth of the pixels is ignored."""

    def __init__(self, channels: int):
        rng = np.random.default_rng(channels)
        images = rng.integers(0, 256, (34, 32, 32, 3), np.uint8)
        logits = Coloured(channels)(torch.from_numpy(images).permute(0, 3, 1, 2))
        sizes, factors = [(40, 50)] * 32 + [(800, 1000)] * 2, [1.95] * 32 + [1.19] * 2
        self.logits = [upsampled(z[None], size)[0].numpy() for z, size in zip(logits, sizes, strict=True)]
        super().__init__(images, [self.drawn(z / f, rng) for z, f in zip(self.logits, factors, strict=True)], 3)

    @staticmethod
    def drawn(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Classes drawn from the distribution of logits (C, H, W)."""
        z = np.concatenate([np.zeros_like(z), z]) if len(z) == 1 else z
        truth = (z + rng.gumbel(size=z.shape)).argmax(0)
        return np.where(rng.random(truth.shape) < 0.1, 255, truth).astype(np.uint8)

    def pooled(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits of the classes (N, K) and classes (N,) of all valid pixels."""
        z = np.concatenate([z.reshape(len(z), -1).T for z in self.logits]).astype(float)
        z = np.hstack([np.zeros_like(z), z]) if z.shape[1] == 1 else z
        truth = np.concatenate([truth.ravel() for truth in self.truths])
        return z[truth < 255], truth[truth < 255].astype(int)


def ece(z: np.ndarray, labels: np.ndarray, t: float) -> float:
    """Top-label ECE in 10 bins."""
    p = softmax(z / t, axis=1)
    confidence, right = p.max(1), p.argmax(1) == labels
    return np.abs(np.bincount((confidence * 10).astype(int), confidence - right)).sum() / len(z)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_weighs_its_valid_pixels(channels, monkeypatch):
    """Up to 4,096 pixels of each image, all alike, gave T 1.79 and ECE 5.8 % for one logit, where all pixels ask for
    T 1.21 and get 0.1 %; for three classes T 1.83 and ECE 8.5 %."""
    store, network = Mix(channels), Coloured(channels)
    z, labels = store.pooled()
    right = np.arange(len(z)), labels
    everything = minimize_scalar(
        lambda t: -log_softmax(z / t, axis=1)[right].mean(), bounds=(0.5, 10), method="bounded", options={"xatol": 1e-4}
    ).x
    exact = Temperature().fit([network], store, EXPERIMENT)
    assert exact["fitted_on"]["pixels"] == len(sampled(network, store, EXPERIMENT)[0]) == len(z)
    assert exact["parameters"]["temperature"] == pytest.approx(everything, rel=1e-3)

    monkeypatch.setattr(sampling, "MOST_LOGITS", 100_000 * network.classes)
    fitted = Temperature().fit([network], store, EXPERIMENT)
    t = fitted["parameters"]["temperature"]
    assert fitted["fitted_on"]["pixels"] == pytest.approx(len(z))
    assert len(sampled(network, store, EXPERIMENT)[0]) < 100_000
    assert t == pytest.approx(everything, rel=0.03)
    assert ece(z, labels, t) < 0.01


# Deep ensembles


def test_an_ensemble_is_the_mean_probability_in_any_order(networks, val):
    first, second = (maps(Predictor([network]), val) for network in networks)
    assert not same(first, second)
    ensemble = maps(Predictor(networks, DeepEnsemble()), val)
    for name, probability in ensemble.items():
        assert probability.dtype == np.float32
        assert probability == pytest.approx((first[name] + second[name]) / 2, abs=1e-7)
    assert same(ensemble, maps(Predictor(networks[::-1], DeepEnsemble()), val))
    twice = Predictor([networks[0], networks[0]], DeepEnsemble())
    assert same(first, maps(twice, val))


def test_the_mean_over_many_networks_has_no_order():
    rng = np.random.default_rng(0)
    logits = [torch.from_numpy(rng.normal(0, 5, (1, 8, 8)).astype(np.float32)) for _ in range(7)]
    results = [PostHoc().probability([logits[i] for i in rng.permutation(7)], (40, 30), {}) for _ in range(10)]
    assert all(np.array_equal(results[0], other) for other in results)


# Monte Carlo dropout


def test_dropout_differs_between_passes_and_is_the_same_again(networks, val):
    before = {name: t.clone() for name, t in networks[0].segmentor.state_dict().items()}
    x = torch.from_numpy(np.array(val.images[:4])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        passes = MCDropout(passes=13).logits(networks[:1], x, val.ids[:4], 0)
        assert len(passes) == 13
        assert passes[0].shape == networks[0](x).shape
        assert len({z.numpy().tobytes() for z in passes}) == 13
        swapped = MCDropout(passes=13).logits(networks[:1], x.flip(0), val.ids[:4][::-1], 0)
        assert all(torch.equal(z, other.flip(0)) for z, other in zip(passes, swapped, strict=True))
    after = networks[0].segmentor.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(module.training for module in networks[0].modules())


def test_the_mean_over_passes_does_not_depend_on_batches(networks, val):
    predictor = Predictor(networks[:1], MCDropout(), seed=5)
    one = maps(predictor, val)
    torch.manual_seed(99)
    size = EXPERIMENT.evaluation.model_copy(update={"batch_size": 1})
    assert same(one, maps(predictor, val, EXPERIMENT.model_copy(update={"evaluation": size})))
    assert not same(one, maps(Predictor(networks[:1], MCDropout(), seed=6), val))
    plain = maps(Predictor(networks[:1]), val)
    assert not same(one, plain)
    assert max(np.abs(one[name] - plain[name]).max() for name in one) < 0.3


def test_test_time_augmentation_of_three_classes_does_not_depend_on_batches(three):
    store, predictor = of_classes(), Predictor([three], TTA(mirror="both", scales=[1, 2]))
    size = EXPERIMENT.evaluation.model_copy(update={"batch_size": 1})
    single = maps(predictor, store, EXPERIMENT.model_copy(update={"evaluation": size}))
    for name, probability in maps(predictor, store).items():
        assert probability == pytest.approx(single[name], abs=1e-5)
        assert probability.sum(0) == pytest.approx(np.ones((40, 50)), abs=1e-6)


def test_a_network_without_dropout_is_refused(val):
    network = DenseClassifier(build_segmentor("tiny_fpn", False, 32), normalization("tiny_fpn")).eval()
    assert MCDropout().fit([network], val, EXPERIMENT) == {"dropout_layers": 1}
    for module in mc_dropout.dropouts(network):
        module.p = 0.0
    with pytest.raises(UserError, match="no dropout"):
        MCDropout().fit([network], val, EXPERIMENT)


# The graph


def built(methods: list[str], seeds: list[int] = (0, 1), blocks: dict | None = None, **experiment) -> Graph:
    content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    content["methods"] |= blocks or {}
    content["experiments"]["tiny"] |= {"methods": methods, "seeds": list(seeds)} | experiment
    return build(validate(Params, content, "params.yaml"), "tiny")


def contracts(of: Graph) -> dict[str, str]:
    """Contracts up to the statistics, which concern one run each."""
    return {job.name: job.fingerprint for job in of.of_kinds("prepare", "store", "train", "evaluate")}


def inputs(of: Graph, name: str) -> set[str]:
    return {job.name for job in of.job(name).inputs.values()}


def test_the_jobs_of_post_hoc_methods():
    of = built(["temperature", "deep_ensemble", "baseline", "mc_dropout"], seeds=[3, 1])
    assert [run for run in of.runs if run[0] == "deep_ensemble"] == [("deep_ensemble", 3)]
    assert [name for name, facts in of.facts.methods.items() if facts.of_all_seeds] == ["deep_ensemble"]
    assert inputs(of, "train/temperature/seed1") == {"train/baseline/seed1", "store/val"}
    assert inputs(of, "train/mc_dropout/seed1") == {"train/baseline/seed1"}
    assert inputs(of, "train/deep_ensemble/seed3") == {"train/baseline/seed1", "train/baseline/seed3"}
    assert inputs(of, "evaluate/temperature/seed1/scenes") == {
        "train/temperature/seed1",
        "train/baseline/seed1",
        *("store/scenes", "store/train", "store/val"),
    }
    assert inputs(of, "evaluate/deep_ensemble/seed3/val") == {
        "train/deep_ensemble/seed3",
        *("train/baseline/seed1", "train/baseline/seed3"),
        *("store/train", "store/val"),
    }
    assert inputs(of, "evaluate/baseline/seed1/val") == {"train/baseline/seed1", "store/train", "store/val"}
    assert len(of.of_kinds("train")) == 7
    names = list(of.jobs)
    assert all(names.index(needed) < names.index(name) for name in names for needed in inputs(of, name))


def test_post_hoc_methods_leave_the_contracts_of_what_trains():
    alone = contracts(built(["baseline"]))
    together = contracts(built(["baseline", "temperature", "deep_ensemble", "mc_dropout"]))
    assert {name: together[name] for name in alone} == alone


def test_one_more_seed_concerns_the_ensemble_and_what_is_new():
    one, more = (built(["baseline", "deep_ensemble"], seeds) for seeds in ([0, 1], [0, 1, 2]))
    before, after = contracts(one), contracts(more)
    assert {n for n in before if before[n] != after[n]} == {n for n in before if "/deep_ensemble/" in n}


@pytest.mark.parametrize(
    ("methods", "seeds", "blocks", "words"),
    [
        (["baseline", "deep_ensemble"], [0], {}, ["deep_ensemble", "seeds: [0]", "two seeds"]),
        (["slp", "temperature"], [0], {}, ["methods.temperature", "'baseline'", "add baseline"]),
        (["baseline", "temperature"], [0], {"temperature": {"of": "slp"}}, ["methods.temperature", "'slp'"]),
        (
            ["baseline", "temperature", "hot"],
            [0],
            {"hot": {"method": "mc_dropout", "of": "temperature"}},
            ["methods.hot"],
        ),
        (["temperature"], [0], {"temperature": {"of": "temperature"}}, ["'temperature' is post-hoc"]),
        (["baseline", "mc_dropout"], [0], {"mc_dropout": {"passes": 1}}, ["methods.mc_dropout", "passes"]),
    ],
    ids=["one seed", "not in the experiment", "of another", "post-hoc of post-hoc", "of itself", "one pass"],
)
def test_what_is_refused(methods, seeds, blocks, words):
    with pytest.raises(UserError) as error:
        built(methods, seeds, blocks)
    assert all(word in str(error.value) for word in words), error.value


# From start to end


@pytest.mark.slow
def test_an_experiment_with_post_hoc_methods(tmp_path, monkeypatch):
    copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    edit(tmp_path / "params.yaml", "methods: [baseline, aslp_mc]", "methods: [baseline, temperature, mc_dropout]")
    edit(tmp_path / "params.yaml", "training: {epochs: 7, batch_size: 4}", "training: {epochs: 2, batch_size: 4}")
    edit(tmp_path / "params.yaml", "      ood:\n        textures: {set: tiny-textures}", "      ood: {}")
    command(tmp_path, ["snakemake", "--cores", "1", "results/tiny/tables/main.md"])
    assert build(read()).job("tables").is_made
    results = tmp_path / "results/tiny"
    table = pd.read_csv(results / "tables/main.csv")
    assert set(table["method"]) == {"baseline", "temperature", "mc_dropout"}
    raw = table[table["protocol"] == "raw"].set_index(["part", "method"])
    for part in ("val", "scenes"):
        assert raw.loc[(part, "temperature"), "accuracy"] == raw.loc[(part, "baseline"), "accuracy"]
        assert raw.loc[(part, "temperature"), "nll"] != raw.loc[(part, "baseline"), "nll"]
    assert raw.loc[("val", "temperature"), "nll"] < raw.loc[("val", "baseline"), "nll"]
    fitted = yaml.safe_load((results / "runs/temperature/seed0/run.json").read_text())
    on = fitted["fitted"]["fitted_on"]
    assert on["nll_after"] < on["nll_before"]
    assert [path.name for path in (results / "runs/temperature/seed0").iterdir()] == ["run.json"]
