"""What no experiment wants any more."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from project import ROOT

from pipeline_src.engine.execute import execute
from pipeline_src.engine.job import CACHE
from pipeline_src.inspection.clean import leftovers
from pipeline_src.params.load import read
from pipeline_src.steps.build import build


@pytest.fixture
def params(tmp_path, monkeypatch) -> Path:
    """Two experiments on the same data, whose sets are prepared."""
    monkeypatch.chdir(tmp_path)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["experiments"] = {name: content["experiments"]["tiny"] for name in ("one", "two")}
    content["experiment"] = "one"
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    for name in ("one", "two"):
        for job in build(read(), name).of_kinds("prepare"):
            execute(job)
    return file


def change(file: Path, **experiments) -> None:
    content = yaml.safe_load(file.read_text())
    content["experiments"] |= experiments
    content["experiments"] = {name: of for name, of in content["experiments"].items() if of}
    file.write_text(yaml.safe_dump(content))


def test_nothing_goes_that_is_wanted(params):
    assert leftovers(read()) == ([], [])


def test_folders_of_experiments_that_are_gone(params):
    (Path("data/mine")).mkdir()
    (Path("data/mine/images.0123456789abcdef")).write_text("no stamp of ours")
    change(params, two=None)
    results, entries = leftovers(read())
    assert [leftover.paths for leftover in results] == [[Path("data/two")]]
    assert entries == []  # `one` wants the same
    change(params, three=yaml.safe_load(params.read_text())["experiments"].pop("one"), one=None)
    results, entries = leftovers(read())
    assert len(results) == 2 and entries == []  # `three` has not been run, and will take them over


def test_jobs_and_parameters_that_are_gone(params):
    one = yaml.safe_load(params.read_text())["experiments"]["one"]
    data = one["data"] | {"on_problem": "skip", "ood": {}}
    change(params, one=one | {"data": data}, two=None)
    results, entries = leftovers(read())
    assert Path("data/one/manifests/tiny-textures") in {leftover.paths[0].parent for leftover in results}
    assert len(results) == 2  # and the folder of `two`
    assert len(entries) == 2
    for leftover in [*results, *entries]:
        leftover.remove()
    assert not Path("data/one/manifests/tiny-textures").exists() and not Path("data/two").exists()
    assert Path("data/one/manifests/tiny-scenes/manifest.csv").is_file()
    assert [path.name for path in (Path("data") / CACHE).iterdir() if len(path.name) == 16] == []
    assert leftovers(read()) == ([], [])


def test_what_can_not_be_read_is_left_alone(params, caplog):
    two = yaml.safe_load(params.read_text())["experiments"]["two"]
    change(params, one=None, two=two | {"methods": ["baselin"]})
    results, entries = leftovers(read())
    assert [leftover.paths for leftover in results] == [[Path("data/one")]]
    assert entries == []
    assert "data/two is left alone" in caplog.text and "baselin" in caplog.text
