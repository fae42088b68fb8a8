"""params.yaml: merging and checks in the user's words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline_src.data import catalog
from pipeline_src.errors import UserError
from pipeline_src.params.load import downloads, merge, read, resolve
from pipeline_src.params.schema import Experiment, Training
from pipeline_src.pipeline.graph import build
from pipeline_src.validation import validate


@pytest.fixture
def content() -> dict:
    return yaml.safe_load(open("params.yaml", encoding="utf-8"))


def written(tmp_path, content):
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_the_papers_protocol():
    """docs/protocol.md section 1."""
    _, paper = resolve(read(), "paper")
    training = paper.training
    assert (paper.image_size, training.epochs, training.batch_size, training.lr) == (384, 30, 10, 2.5e-5)
    assert (training.schedule, training.weight_decay, training.accuracy_on) == ("compounding", 0, "released")
    assert "aslp_mc_released" in paper.methods
    assert paper.model.config == "resnet50_aslp"
    assert set(paper.data.id) == {"DUTS-TE", "DUT-OMRON", "PASCAL-S", "SOD", "ECSSD", "HKU-IS"}


def test_a_bare_off_is_off():
    content = yaml.safe_load("{amp: off}")
    assert content == {"amp": False}
    assert validate(Training, content, "training").amp == "off"


def test_merge_goes_key_by_key_and_takes_lists_whole():
    below = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert merge(below, {"a": {"c": [9]}, "e": 4}) == {"a": {"b": 1, "c": [9]}, "d": 3, "e": 4}
    assert below == {"a": {"b": 1, "c": [1, 2]}, "d": 3}


def test_a_key_next_to_a_merge_key_is_not_a_duplicate(tmp_path):
    """`<<: *t` stands for the keys that are not given."""
    file = tmp_path / "params.yaml"
    first = "  first: &t\n    methods: [slp]\n    seeds: [3]\n"
    second = "  second:\n    <<: *t\n    methods: [baseline]\n"
    text = Path("params.yaml").read_text()
    file.write_text(text.replace("experiments:\n", f"experiments:\n{first}{second}", 1))
    assert read(file).experiments["second"] == {"seeds": [3], "methods": ["baseline"]}
    file.write_text(file.read_text().replace("[baseline]\n", "[baseline]\n    methods: [slp]\n", 1))
    with pytest.raises(UserError, match="duplicate key 'methods'"):
        read(file)


TEXT = """experiment: small
datasets:
  mine: {images: photos, masks: masks}
defaults: {image_size: 32}
methods: {baseline: {}, slp: {alpha: 0.05}}
experiments:
  small:
    methods: [baseline]
    data:
      train: {set: mine, first: 3}
      val: {set: mine, last: 3}
      id: {mine: {set: mine}}
"""
SIZE, ID, METHODS = "image_size: 32", "{mine: {set: mine}}", "slp: {alpha: 0.05}"
WRONG = [  # old text of TEXT, new text (or a whole file), and the text that is named
    ("", b"a: [1\n", "line 2"),
    ("", b"a: 1\nb: \xe9\n", r"params\.yaml"),
    ("", b"", r"params\.yaml"),
    ("", (TEXT + "methods: {}\n").encode(), r"'methods', also in line 5(.|\n)*line 13"),
    ("experiment:", "experimnt:", "experimnt.*'experiment'"),
    ("experiment: small\n", "", "experiment: is missing"),
    ("experiment: small", "experiment: smal", "'small'"),
    ("[baseline]", "[2024]", r"methods\.0: .*quotes"),
    ("[baseline]", "[baseline, slpp]", "'slp'"),
    ("[baseline]", "[baseline, baseline]", "methods: duplicate"),
    ("images: photos", "images: 3", r"datasets\.mine\.images"),
    (SIZE, "image_size: 31", r"image_size: .*31"),
    (SIZE, "training: {lr: .inf}", r"training\.lr"),
    (SIZE, "training: {epochs: true}", r"training\.epochs: true would be 1"),
    (SIZE, "training: {weight_decay: false}", r"training\.weight_decay: false would be 0"),
    (SIZE, "seeds: [0, true]", r"seeds: true would be 1"),
    (SIZE, "training: {epochs: 010}", r"010 would be 8(.|\n)*line 4"),
    (SIZE, "training: {epochs: 1:30}", r"1:30 would be 90(.|\n)*line 4"),
    (SIZE, "training: {lr: 1:30.5}", r"1:30\.5 would be 90\.5(.|\n)*line 4"),
    (SIZE, "training: {epoch: 3}", r"training\.epoch: .*'epochs'"),
    (SIZE, "training: {device: gpu}", r"training\.device"),
    (SIZE, "training: {gpus: 2}", r"training\.gpus"),
    ("first: 3", "frist: 3", r"train\.frist: .*'first'"),
    ("first: 3", "first: 3, last: 3", r"data\.train"),
    ("first: 3", "skip: 3", "first"),
    ("first: 3", "split: train", "'train'"),
    (ID, "{train: {set: mine}}", "train"),
    (ID, f"{{{'m' * 300}: {{set: mine}}}}", "80"),
    ("  small:", "  Unpacked:", "Unpacked"),
]


@pytest.mark.parametrize(("old", "new", "named"), WRONG)
def test_a_wrong_file_names_the_key(tmp_path, monkeypatch, old, new, named):
    assert old in TEXT
    file = tmp_path / "params.yaml"
    file.write_bytes(new if isinstance(new, bytes) else TEXT.replace(old, new).encode())
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=named):
        params = read(file)
        catalog.load(params.datasets)
        resolve(params)
        build(params)


def test_all_wrong_keys_are_named_at_once():
    wrong = {"seeds": [0, 0], "training": {"epoch": 3}, "data": {"train": {"set": "a", "frist": 1}, "id": {}}}
    with pytest.raises(UserError) as error:
        validate(Experiment, wrong, "experiments.x")
    assert all(key in str(error.value) for key in ("seeds", "training.epoch", "data.train.frist", "data.val"))


def test_the_environment_overrides_data_root(monkeypatch, tmp_path):
    monkeypatch.delenv("ASLP_DOWNLOADS", raising=False)
    assert str(downloads(read())) == read().data_root
    monkeypatch.setenv("ASLP_DOWNLOADS", str(tmp_path))
    assert downloads(read()) == tmp_path
