"""Post-hoc methods: calibrators, deep ensembles, Monte Carlo dropout; and their place in the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from training_runs import Colored, MadeStore, trained

from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Experiment, Params
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.job import Graph
from pipeline_src.prediction.predict import Predictor, load, predict
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.methods import mc_dropout
from pipeline_src.training.methods.deep_ensemble import DeepEnsemble
from pipeline_src.training.methods.mc_dropout import MCDropout
from pipeline_src.training.posthoc import Calibrated, validation_pixels
from pipeline_src.training.registry import choose, method_names
from pipeline_src.validation import validate

EXPERIMENT = Experiment(
    data={"train": {"set": "x"}, "val": {"set": "x"}, "id": {}},
    image_size=32,
    model={"config": "tiny_fpn", "pretrained": False},
    training={"batch_size": 4, "epochs": 3, "lr": 1e-2},
    evaluation={"batch_size": 4},
)


@pytest.fixture(scope="module")
def networks(stores, tmp_path_factory) -> list[DenseClassifier]:
    """The baseline's networks of two seeds, as they are exported and loaded again."""
    loaded = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp(f"seed{seed}")
        opened = (Store(stores[split]) for split in ("train", "val"))
        method = choose("baseline", {}).method
        trained(*opened, EXPERIMENT, method, folder / "work", seed).write(folder)
        loaded.append(load(folder / "model.safetensors", EXPERIMENT))
    return loaded


@pytest.fixture(scope="module")
def val(stores) -> Store:
    return Store(stores["val"])


def maps(predictor: Predictor, store, experiment: Experiment = EXPERIMENT) -> dict[str, np.ndarray]:
    return {name: probability for probability, _, name in predict(predictor, store, experiment)}


def same(maps: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> bool:
    return maps.keys() == others.keys() and all(np.array_equal(maps[name], others[name]) for name in maps)


SINGLE = EXPERIMENT.model_copy(update={"evaluation": EXPERIMENT.evaluation.model_copy(update={"batch_size": 1})})


# Calibrators

METHODS = [name for name in method_names() if isinstance(choose(name, {}).method, Calibrated)]


class Made(MadeStore):
    """Ten images of 24 px on which `Colored` is overconfident (T = 2.5), with masks of 30 x 40; a tenth is ignored."""

    def __init__(self, channels: int):
        rng = np.random.default_rng(channels)
        images = rng.integers(0, 256, (10, 24, 24, 3), np.uint8)
        logits = Colored(channels)(torch.from_numpy(images).permute(0, 3, 1, 2))
        z = torch.nn.functional.interpolate(logits, (30, 40), mode="bilinear").numpy() / 2.5
        z = np.concatenate([np.zeros_like(z), z], 1) if channels == 1 else z
        drawn = (z + rng.gumbel(size=z.shape)).argmax(1)
        super().__init__(images, np.where(rng.random(drawn.shape) < 0.1, 255, drawn).astype(np.uint8), max(2, channels))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", METHODS)
def test_a_method_lowers_the_loss_and_is_its_calibrator(name, channels):
    method, network, store = choose(name, {}).method, Colored(channels), Made(channels)
    if channels > 1 and method.calibrator().two_classes:
        with pytest.raises(UserError, match="classes"):
            method.fit([network], store, EXPERIMENT)
        return
    fitted = method.fit([network], store, EXPERIMENT)
    assert fitted["calibrator"] == name and fitted["classes"] == max(2, channels)
    assert fitted["fitted_on"]["nll_after"] < fitted["fitted_on"]["nll_before"]
    assert fitted["fitted_on"]["images"] == 10
    calibrator = method.calibrator().model_validate(fitted["parameters"])
    for k, (f, _, _) in enumerate(predict(Predictor([network], method, 0, fitted), store, EXPERIMENT)):
        x = torch.from_numpy(store.images[k : k + 1]).permute(0, 3, 1, 2)
        z = torch.nn.functional.interpolate(network(x), (30, 40), mode="bilinear")[0].numpy()
        assert f.dtype == np.float32 and f.shape == ((30, 40) if channels == 1 else (3, 30, 40))
        assert f == pytest.approx(calibrator.apply(z), abs=1e-6)


def test_the_sample_is_keyed_by_image(networks, val, monkeypatch):
    everything = validation_pixels(networks[0], val, EXPERIMENT).z
    monkeypatch.setattr("pipeline_src.calibrators.pixels.MOST_LOGITS", 0.1 * 2 * len(everything))
    pixels = validation_pixels(networks[0], val, EXPERIMENT)
    sizes = np.array([row.height * row.width for row in val.index])
    drawn = np.ceil(0.1 * sizes).astype(int)
    assert pixels.weights == pytest.approx(np.repeat(sizes / drawn, drawn))
    assert pixels.z.shape == (drawn.sum(), 1) and np.isin(pixels.z, everything).all()
    assert validation_pixels(networks[0], val, SINGLE).z == pytest.approx(pixels.z, abs=1e-4)


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


# Monte Carlo dropout


def test_dropout_differs_between_passes_and_is_the_same_again(networks, val):
    before = {name: t.clone() for name, t in networks[0].segmentor.state_dict().items()}
    x = torch.from_numpy(np.array(val.images[:4])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        passes = MCDropout(passes=5).logits(networks[:1], x, val.ids[:4], 0)
        assert len(passes) == 5
        assert passes[0].shape == networks[0](x).shape
        assert len({z.numpy().tobytes() for z in passes}) == 5
        swapped = MCDropout(passes=5).logits(networks[:1], x.flip(0), val.ids[:4][::-1], 0)
        assert all(torch.equal(z, other.flip(0)) for z, other in zip(passes, swapped, strict=True))
    after = networks[0].segmentor.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(module.training for module in networks[0].modules())


def test_a_network_without_dropout_is_refused(val):
    network = DenseClassifier("tiny_fpn").eval()
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


def test_the_jobs_of_post_hoc_methods():
    graph = built(["temperature", "deep_ensemble", "baseline", "mc_dropout"], seeds=[3, 1])
    assert [run for run in graph.runs if run[0] == "deep_ensemble"] == [("deep_ensemble", 3)]
    assert [name for name, facts in graph.facts.methods.items() if facts.of_all_seeds] == ["deep_ensemble"]
    networks = {"train/baseline/seed1", "train/baseline/seed3"}
    stores = {"store/train", "store/val", "store/scenes", "store/textures"}
    expected = {
        "fit/temperature/seed1": {"train/baseline/seed1", "store/val"},
        "fit/mc_dropout/seed1": {"train/baseline/seed1"},
        "fit/deep_ensemble/seed3": networks,
        "evaluate/temperature/seed1": {"fit/temperature/seed1", "train/baseline/seed1"} | stores,
        "evaluate/deep_ensemble/seed3": {"fit/deep_ensemble/seed3"} | networks | stores,
        "evaluate/baseline/seed1": {"train/baseline/seed1"} | stores,
    }
    for name, inputs in expected.items():
        assert {job.name for job in graph.job(name).inputs.values()} == inputs
    assert (len(graph.of_kinds("train")), len(graph.of_kinds("fit"))) == (2, 5)


@pytest.mark.parametrize(
    ("methods", "entries", "shown"),
    [
        (["baseline", "deep_ensemble"], {}, "deep_ensemble[\\s\\S]*seeds: "),
        (["slp", "temperature"], {}, "methods.temperature[\\s\\S]*baseline"),
        (["baseline", "temperature"], {"temperature": {"of": "slp"}}, "methods.temperature[\\s\\S]*slp"),
        (["baseline", "temperature", "hot"], {"hot": {"method": "mc_dropout", "of": "temperature"}}, "methods.hot"),
        (["temperature"], {"temperature": {"of": "temperature"}}, "methods.temperature"),
        (["baseline", "mc_dropout"], {"mc_dropout": {"passes": 1}}, "methods.mc_dropout[\\s\\S]*passes"),
    ],
    ids=["one seed", "not in the experiment", "of another", "post-hoc of post-hoc", "of itself", "one pass"],
)
def test_post_hoc_methods_that_lack_their_networks_are_refused(methods, entries, shown):
    with pytest.raises(UserError, match=shown):
        built(methods, [0], entries)
