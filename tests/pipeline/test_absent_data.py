"""Results without the data that they were made from, as after `dvc pull`: what is current, and what is said."""

from __future__ import annotations

import pytest
import yaml
from made_sets import pairs, write_zip

from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import build
from pipeline_src.pipeline.manifest import Manifest
from pipeline_src.pipeline.runner import run_job

SPLITS = {"val": {"of": "all", "fraction": 0.25}, "rest": {"of": "all", "without": "val"}}
ENTRY = {"archive": "a.zip", "images": "Image", "masks": "GT", "splits": SPLITS}


def unchecked(graph) -> list[str]:
    """Why the files of the data sets cannot be checked here."""
    return [job.options["unchecked"] for job in graph.of_kinds("prepare")]


def part(split: str) -> dict[str, str]:
    return {"set": "mine", "split": split}


@pytest.fixture
def graph(tmp_path, monkeypatch):
    """The jobs of an experiment whose entry has changed; its set was prepared, and its archive is gone since."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASLP_DOWNLOADS", raising=False)

    def graph(data_root: str = "data/downloads", **changes):
        parts = {"train": part("rest"), "val": part("val"), "id": {"test": part("rest")}, "ood": {"odd": part("val")}}
        small = {"data": parts, "methods": ["baseline"], "model": {"config": "tiny_fpn", "pretrained": False}}
        content = {
            "experiment": "small",
            "data_root": data_root,
            "datasets": {"mine": ENTRY | changes},
            "methods": {"baseline": {}},
            "defaults": {"image_size": 32},
            "experiments": {"small": small},
        }
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        return build(read())

    archive = tmp_path / "data/downloads/a.zip"
    archive.parent.mkdir(parents=True)
    write_zip(archive, pairs(8))
    here = graph()
    assert not any(unchecked(here))
    for job in here.of_kinds("prepare", "store"):
        run_job(job)
    archive.rename(tmp_path / "elsewhere.zip")
    return graph


def test_what_is_pulled_is_current_and_what_cannot_be_checked_is_said(graph):
    absent = graph()
    assert all(job.is_made for job in absent.of_kinds("prepare", "store"))
    assert "mine" in unchecked(absent)[0]
    assert "data/wrong" in unchecked(graph("data/wrong"))[0]


@pytest.mark.parametrize("change", [{"foreground": 1}, {"masks": "GT2"}, {"archive": "b.zip"}])
def test_a_changed_entry_needs_its_data(graph, change):
    with pytest.raises(UserError, match="mine"):
        graph(**change)


def test_masks_out_of_distribution_do_not_count(graph):
    from pipeline_src.data.store import Store

    assert not any(Store(graph().job("store/odd").folder).truth(i).any() for i in range(2))
    assert all(Store(graph().job("store/val").folder).truth(i).any() for i in range(2))


def test_groups_in_a_file_are_those_of_the_last_pulled_results(graph, tmp_path):
    archive = (tmp_path / "elsewhere.zip").rename(tmp_path / "data/downloads/a.zip")
    groups = archive.with_name("groups.csv")
    for minute, group in enumerate("ab"):
        groups.write_text(f"id,group\ns0,{group}\n")
        here = graph(groups=groups.name)
        for job in here.of_kinds("prepare", "analyse"):
            Manifest(job.fingerprint, job.ingredients, {}, {}, {"time": f"00:0{minute}"}).write(job.folder)
            for path in job.paths:
                path.touch()
    groups.unlink()
    with pytest.raises(UserError, match=r"groups\.csv is missing"):
        graph(groups=groups.name)  # its images are here
    archive.unlink()
    absent = graph(groups=groups.name)
    assert [job.key for job in absent.jobs.values()] == [job.key for job in here.jobs.values()]
    assert absent.job("analyse/test").options["grouped"].name == groups.name
