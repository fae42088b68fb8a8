"""params.yaml: merging and checks in the user's words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline_src.data.entry import Generator
from pipeline_src.errors import UserError
from pipeline_src.params.load import downloads, merge, read, resolve
from pipeline_src.params.parts import Corrupted
from pipeline_src.params.schema import Experiment, Limits, Model, Training
from pipeline_src.pipeline.jobs import build
from pipeline_src.training.methods.slp import SLP
from pipeline_src.training.registry import choose
from pipeline_src.validation import validate


@pytest.fixture
def content() -> dict:
    return yaml.safe_load(open("params.yaml", encoding="utf-8"))


def written(tmp_path, content):
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_every_experiment_of_ours_is_valid():
    params = read()
    for name in params.experiments:
        resolve(params, name)
    assert params.experiment == "demo"


def test_the_papers_protocol():
    """docs/protocol.md section 1."""
    _, paper = resolve(read(), "paper")
    training = paper.training
    assert (paper.image_size, training.epochs, training.batch_size, training.lr) == (384, 30, 10, 2.5e-5)
    assert (training.schedule, training.weight_decay, training.accuracy_on) == ("compounding", 0, "released")
    assert "aslp_mc_released" in paper.methods
    assert paper.model.config == "resnet50_aslp"
    assert set(paper.data.id) == {"DUTS-TE", "DUT-OMRON", "PASCAL-S", "SOD", "ECSSD", "HKU-IS"}


def test_defaults_can_be_left_out(tmp_path, content):
    experiment = merge(content.pop("defaults"), content["experiments"]["tiny"])
    left_out = read(written(tmp_path, content | {"experiment": "tiny", "experiments": {"tiny": experiment}}))
    assert resolve(left_out, "tiny")[1] == resolve(read(), "tiny")[1]


def test_a_bare_off_is_off():
    content = yaml.safe_load("{amp: off}")
    assert content == {"amp": False}
    assert validate(Training, content, "training").amp == "off"


def test_merge_goes_key_by_key_and_takes_lists_whole():
    below = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert merge(below, {"a": {"c": [9]}, "e": 4}) == {"a": {"b": 1, "c": [9]}, "d": 3, "e": 4}
    assert below == {"a": {"b": 1, "c": [1, 2]}, "d": 3}


@pytest.mark.parametrize(
    ("below", "above", "network"),
    [
        ({"factory": "net.py:build"}, {"config": "tiny_fpn"}, "tiny_fpn"),
        ({"config": "tiny_fpn"}, {"factory": "net.py:build"}, "net.py:build"),
        ({"factory": "net.py:build"}, {"pretrained": False}, "net.py:build"),
    ],
)
def test_an_experiments_network_replaces_that_of_the_defaults(tmp_path, content, below, above, network):
    content["defaults"]["model"], content["experiments"]["tiny"]["model"] = below, above
    assert resolve(read(written(tmp_path, content)), "tiny")[1].model.network == network


def test_duplicate_keys_are_reported_with_both_lines(tmp_path):
    text = Path("params.yaml").read_text()
    file = tmp_path / "params.yaml"
    file.write_text(text + "\nmethods:\n  mine: {file: mine.py, file: other.py}\n")
    lines = enumerate(file.read_text().splitlines(), 1)
    first, last = (number for number, line in lines if line.startswith("methods:"))
    with pytest.raises(
        UserError, match=rf"methods: lines {first} and {last}[\s\S]*methods.mine.file: lines {last + 1} and"
    ):
        read(file)
    file.write_text(text)
    assert read(file) == read()


def test_a_key_beside_a_merge_key_is_not_a_duplicate(tmp_path):
    """`<<: *t` stands for the keys that are not given: the own one counts."""
    file = tmp_path / "params.yaml"
    first = "  first: &t\n    methods: [slp]\n    seeds: [3]\n"
    second = "  second:\n    <<: *t\n    methods: [baseline]\n"
    text = Path("params.yaml").read_text()
    file.write_text(text.replace("experiments:\n", f"experiments:\n{first}{second}", 1))
    experiments = read(file).experiments
    assert experiments["second"] == {"seeds": [3], "methods": ["baseline"]}
    file.write_text(file.read_text().replace("[baseline]\n", "[baseline]\n    methods: [slp]\n", 1))
    with pytest.raises(UserError, match=r"experiments\.second\.methods: lines"):
        read(file)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"method": "slp", "file": "mine.py"}, "exclude each other"),
        ({"file": 3}, "methods.x.file: must be one name"),
        ({"file": ["a.py"]}, "methods.x.file: must be one name"),
        ({"file": "README.md"}, "methods.x.file: not a Python file"),
    ],
)
def test_wrong_blocks_of_methods(block, message):
    with pytest.raises(UserError, match=message):
        choose("x", block)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"batch_size": 5, "gpus": 2}, "split over 2 gpus evenly"),
        ({"device": "cuda:foo"}, "allowed are"),
        ({"device": "cuda:-1"}, "allowed are"),
    ],
)
def test_wrong_training(training, message):
    with pytest.raises(UserError, match=message):
        validate(Training, training, "training")


def test_an_experiment_overrides_defaults():
    _, mini = resolve(read(), "mini")
    assert mini.training.epochs == 60
    assert mini.training.lr == 1e-3


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("experiment", None, ["experiment", "is missing"]),
        ("methods", 3, ["methods"]),
    ],
)
def test_wrong_top_level(tmp_path, content, key, value, words):
    if value is None:
        del content[key]
    else:
        content[key] = value
    with pytest.raises(UserError) as error:
        read(written(tmp_path, content))
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize(
    ("schema", "key", "value", "accepted"),
    [
        (Limits, "pixels", True, False),
        (Corrupted, "severity", [1, True], False),
        (Generator, "counts", {"train": True}, False),
        (Model, "pretrained", True, True),
        (Experiment, "claims", True, True),
        (Training, "lr", "1e-3", True),
    ],
)
def test_a_truth_value_is_no_number(schema, key, value, accepted):
    """Of numbers, and of those in lists and mappings; what asks for a truth value takes one, and a number its text."""
    required = {Corrupted: {"set": "a", "corrupt": ["jpeg"]}, Generator: {"kind": "a", "counts": {}}}
    data = {"train": {"set": "a"}, "val": {"set": "b"}, "id": {"x": {"set": "c"}}}
    content = required.get(schema, {"data": data} if schema is Experiment else {}) | {key: value}
    if accepted:
        validate(schema, content, "x")
    else:
        with pytest.raises(UserError, match=f"{key}: expected a whole number"):
            validate(schema, content, "x")


def test_all_problems_are_told_at_once():
    wrong = {
        "seeds": [0, 0],
        "training": {"epoch": 3, "amp": "fast", "device": "gpu"},
        "data": {
            "train": {"set": "a", "frist": 1},
            "val": {"set": "a", "first": 1, "last": 2},
            "id": {"train": {"set": "b"}},
        },
    }
    with pytest.raises(UserError) as error:
        validate(Experiment, wrong, "experiments.x")
    text = str(error.value)
    for words in (
        "did you mean 'epochs'",
        "'off', 'bf16' or 'fp16'",
        "cuda",
        "did you mean 'first'",
        "cannot be given together",
        "duplicate",
    ):
        assert words in text, words


def test_a_test_set_may_not_take_the_name_of_another():
    data = {"train": {"set": "a"}, "val": {"set": "b"}, "id": {"x": {"set": "c"}}, "ood": {"x": {"set": "d"}}}
    with pytest.raises(UserError, match="name of its own"):
        validate(Experiment, {"data": data}, "experiments.x")


def test_a_set_under_shift_is_a_test_set_like_others():
    data = {"train": {"set": "a"}, "val": {"set": "b"}, "id": {"x": {"set": "c"}}, "shifted": {"y": {"set": "d"}}}
    assert validate(Experiment, {"data": data}, "experiments.x").data.shifted["y"].set == "d"
    with pytest.raises(UserError, match="duplicates are x"):
        validate(Experiment, {"data": data | {"shifted": {"x": {"set": "d"}}}}, "experiments.x")


def test_an_unknown_method_in_an_experiment(tmp_path, content):
    content["experiments"]["demo"]["methods"] = ["baseline", "aslp_mcc"]
    with pytest.raises(UserError, match="did you mean 'aslp_mc'"):
        resolve(read(written(tmp_path, content)), "demo")


def test_the_environment_overrides_data_root(monkeypatch, tmp_path):
    monkeypatch.delenv("ASLP_DOWNLOADS", raising=False)
    assert str(downloads(read())) == read().data_root
    monkeypatch.setenv("ASLP_DOWNLOADS", str(tmp_path))
    assert downloads(read()) == tmp_path


GRID = {"method": "slp", "alpha": [0.02, 0.05], "beta": [0.5, 1.0], "form": "expected"}


def test_a_sweep_stands_for_all_combinations(tmp_path, content):
    content["sweeps"] = {"static": GRID}
    content["experiments"]["tiny"]["methods"] = ["baseline", "static", "static-alpha0_02-beta1_0"]
    params = read(written(tmp_path, content))
    _, tiny = resolve(params, "tiny")
    names = [f"static-alpha{alpha}-beta{beta}" for alpha in ("0_02", "0_05") for beta in ("0_5", "1_0")]
    assert tiny.methods == ["baseline", *names]
    assert params.blocks()[names[1]] == {"method": "slp", "alpha": 0.02, "beta": 1.0, "form": "expected"}
    of = build(params, "tiny")
    assert len(of.of_kinds("train")) == 5
    assert of.methods[names[2]].method == SLP(alpha=0.05, beta=0.5, form="expected")
    experiment = content["experiments"]["tiny"]["methods"]
    experiment.remove("static-alpha0_02-beta1_0")
    assert resolve(read(written(tmp_path, content)), "tiny")[1] == tiny


@pytest.mark.parametrize(
    ("sweeps", "words"),
    [
        ({"slp": GRID}, ["combinations: slp"]),
        ({"static": GRID, "static-alpha0_02-beta0_5": GRID}, ["combinations: static-alpha0_02-beta0_5"]),
        ({"static": {"alpha": [0.1]}}, ["sweeps.static", "`method` or `file`"]),
        ({"static": {"method": "slp", "alpha": 0.1}}, ["sweeps.static", "list of values"]),
        ({"static": {"method": "slp", "alpha": []}}, ["sweeps.static", "list of values"]),
        ({"static": {"method": "slp", "alpha": [0.1, 0.6]}}, ["static-alpha0_6", "changes side"]),
        ({"static": {"method": "slp", "alpah": [0.1, 0.6]}}, ["static-alpah0_1", "did you mean 'alpha'"]),
        ({"sattic": GRID}, ["no block 'static'", "did you mean 'sattic'"]),
    ],
)
def test_wrong_sweeps(tmp_path, content, sweeps, words):
    content["sweeps"] = sweeps
    content["experiments"]["tiny"]["methods"] = ["baseline", "static"]
    with pytest.raises(UserError) as error:
        build(read(written(tmp_path, content)), "tiny")
    assert all(word in str(error.value) for word in words), error.value
