"""What may be published, and how published results are compared with those made of them again."""

from __future__ import annotations

import time
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pandas as pd
import pytest
from killed import is_killed
from made_published import maps
from made_published import publish as published_before
from project import ROOT

from pipeline_src import locks, processes
from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.cli import published as cli
from pipeline_src.errors import UserError
from pipeline_src.figures.catalogue import pictures
from pipeline_src.files import rounded, sha256, write_json
from pipeline_src.publishing import publish, published
from pipeline_src.publishing import rebuild as rebuild_step
from pipeline_src.publishing.publish import _compress, refuse_images
from pipeline_src.publishing.published import Publication
from pipeline_src.publishing.rebuild import check_equal

FACTS = Facts(
    "small",
    {"baseline": MethodFacts("baseline"), "aslp": MethodFacts("aslp_mc", {"beta": 1.0}, learns=True)},
    {"val": "val", "photos": "id"},
    seeds=(0, 1),
    captions={"photos": "Frames of three films."},
    shows_images=False,
)


class Evaluated(NamedTuple):
    """What is asked of a job."""

    name: str
    paths: tuple[Path]


@pytest.fixture
def twice(tmp_path: Path) -> tuple[Path, Path]:
    """A published folder, and the same made again."""
    for name in ("published", "made"):
        folder = tmp_path / name
        (folder / "tables").mkdir(parents=True)
        (folder / "tables" / "T1.csv").write_text("method,ece\nbaseline,0.0412345678901234\n")
        (folder / "claims.md").write_text("C1 holds: +0.2 [−0.1, 0.5].\n")
    (tmp_path / "published" / "experiment.json").write_text("{}")
    (tmp_path / "made" / "analysis.npz").write_bytes(b"")
    return tmp_path / "published", tmp_path / "made"


def test_what_is_published_of_an_experiment_is_read_as_it_was(tmp_path):
    costs = [{"method": "baseline", "seed": 0, "training": 12.5}]
    made, data, files = {"commit": "a"}, [{"images": 3}], {"runs/baseline/seed0/history.csv": "0" * 64}
    of = Publication(FACTS, {"photos": "Half of them."}, {}, costs, {"seeds": [0, 1]}, made, data, files)
    (tmp_path / "experiment.json").write_text(of.text())
    read = Publication.read(tmp_path)
    assert read.text() == of.text()
    assert read.facts.methods == FACTS.methods and read.facts.runs == FACTS.runs


def test_equal_files_are_counted(twice):
    assert check_equal(*twice) == (2, 0)


def test_measured_numbers_have_eight_digits_and_all_else_stays(tmp_path):
    content = {"a": [1 / 3, 2, None, 2e-7 / 3], "b": ("0.123456789", 123456789, True)}
    write_json(tmp_path / "a.json", content)
    text = '{"a":[0.33333333,2,null,6.6666667e-08],"b":["0.123456789",123456789,true]}\n'
    assert (tmp_path / "a.json").read_text() == text


def test_the_last_digit_of_another_processor_is_no_difference(twice):
    for folder, ece in zip(twice, (0.041234567499999, 0.041234567500001), strict=True):
        (folder / "tables" / "T1.csv").write_text(f"method,ece\nbaseline,{rounded(ece)}\n")
    assert check_equal(*twice) == (1, 1)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tables/T1.csv", "method,ece\nbaseline,0.04123460\n"),
        ("tables/T1.csv", "method,ece\nslp,0.0412345678901234\n"),
        ("claims.md", "C1 holds: −0.2 [−0.1, 0.5].\n"),
        ("tables/T10.csv", "new\n"),
    ],
)
def test_a_difference_is_refused_by_name(twice, file, text):
    (twice[1] / file).write_text(text)
    with pytest.raises(UserError, match=file):
        check_equal(*twice)


def test_a_lost_file_is_refused_by_name(twice):
    (twice[1] / "claims.md").unlink()
    with pytest.raises(UserError, match=r"claims.md is not made any more"):
        check_equal(*twice)


def test_images_of_data_sets_are_not_published(tmp_path):
    (tmp_path / "a.svg").write_text("<svg><path d='M 0 0'/></svg>")
    refuse_images(tmp_path)
    (tmp_path / "b.svg").write_text("<svg><image href='data:image/png;base64,AA'/></svg>")
    with pytest.raises(UserError, match=r"b\.svg"):
        refuse_images(tmp_path)
    (tmp_path / "c.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"(?s)c\.png.*b\.svg"):
        refuse_images(tmp_path)


def test_no_image_of_a_data_set_is_put_in_place(tmp_path, monkeypatch):
    """Whatever draws it: a user's figure, too."""
    monkeypatch.chdir(tmp_path)
    folder = published_before("small")

    def rebuild_alone(source: Path, out: Path, cores: int) -> None:
        for part in ("tables", "figures"):
            (out / part).mkdir(parents=True)
        (out / "figures/mine.svg").write_text("<svg><image href='a.png'/></svg>")

    monkeypatch.setattr(publish, "rebuild_alone", rebuild_alone)
    monkeypatch.setattr(publish, "_drawn", lambda facts, folder: folder.iterdir())
    before = (folder / "experiment.json").read_bytes()
    with pytest.raises(UserError, match=r"mine\.svg"):
        publish.publish_again("small")
    assert (folder / "experiment.json").read_bytes() == before and not (folder / "figures").exists()


def test_published_figures_show_no_images():
    kinds = {picture.type.name for picture in pictures(FACTS)}
    assert kinds and not kinds & {"examples", "extremes"}


def test_statistics_are_compressed_by_threads_as_one_by_one(tmp_path, caplog):
    jobs = {}
    for method, seed in FACTS.runs:
        for part in FACTS.parts:
            file = tmp_path / method / str(seed) / f"{part}.npz"
            file.parent.mkdir(parents=True, exist_ok=True)
            maps(method, seed, part).save(file, {})
            jobs[f"evaluate/{method}/seed{seed}/{part}"] = Evaluated(f"{method}/{seed}/{part}", (file,))
    graph = SimpleNamespace(facts=FACTS, job=jobs.__getitem__)
    with caplog.at_level("INFO", "pipeline_src"):
        for cores in (1, 4):
            _compress(graph, tmp_path / str(cores), cores)
    one, four = (sorted((tmp_path / cores).rglob("*.npz")) for cores in "14")
    assert len(one) == len(jobs) and [file.read_bytes() for file in one] == [file.read_bytes() for file in four]
    assert f"{len(jobs)} of {len(jobs)}" in caplog.messages[-1]


def test_published_alphas_have_four_digits(tmp_path, monkeypatch):
    """They move by thousandths."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "history.csv").write_text("epoch\n1\n")
    (run / "alpha.csv").write_text("id,1,2\n001,0.0123449,0.0133451\n002,1.0,0.99996\n")
    monkeypatch.setattr(publish, "_compress", lambda *_: None)
    monkeypatch.setattr(publish, "_publication", lambda *_: SimpleNamespace(text=str))
    monkeypatch.setattr(published, "source_digests", lambda *_: {})
    publish._write_sources(
        SimpleNamespace(facts=FACTS, job=lambda name: SimpleNamespace(folder=run)), tmp_path / "to", 1
    )
    kept = pd.read_csv(published.run_folder(tmp_path / "to", "aslp", 0) / "alpha.csv.xz", dtype={"id": str})
    assert kept.to_numpy().tolist() == [["001", 0.0123, 0.0133], ["002", 1.0, 1.0]]
    assert not (published.run_folder(tmp_path / "to", "baseline", 0) / "alpha.csv.xz").exists()


@pytest.mark.parametrize(
    "folder", sorted(file.parent for file in (ROOT / published.FOLDER).glob("*/statistics")), ids=lambda of: of.name
)
def test_what_the_repository_publishes_holds_its_digest(folder):
    """Else an edit of experiment.json is not found; `publish --from-published` writes it."""
    Publication.read(folder)
    assert '"digest": "' in (folder / "experiment.json").read_text(encoding="utf-8")


def test_what_the_repository_publishes_is_small():
    files = [file for file in (ROOT / published.FOLDER).rglob("*") if file.is_file()]
    kept = [
        file for file in files if file.name != "report.html" or file.parent.name == "evidence"
    ]  # as .gitignore has it
    distinct = {sha256(file): file.stat().st_size for file in kept}  # git keeps equal files once
    assert sum(distinct.values()) < 70e6


def test_what_is_published_holds_the_digests_of_what_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = published_before("small")
    published.check_results(folder)  # of an earlier version: there are none

    def rebuild_alone(source: Path, out: Path, cores: int) -> None:
        (out / "tables").mkdir(parents=True)
        for name in ("metrics.json", "tables/T1.csv", "report.html"):
            (out / name).write_text(name)

    monkeypatch.setattr(publish, "rebuild_alone", rebuild_alone)
    monkeypatch.setattr(publish, "_drawn", lambda facts, folder: [])
    assert publish.publish_again("small") == folder
    assert set(Publication.read(folder).results) == {"metrics.json", "tables/T1.csv"}
    published.check_results(folder)
    (folder / "report.html").unlink()  # is not in the repository
    published.check_results(folder)
    assert published.check_sources(folder).results


@pytest.mark.slow
def test_what_is_published_outlives_a_publication_that_is_killed(tmp_path, monkeypatch):
    """Before each of its operations in turn. What it leaves is read, or where it is is said."""
    monkeypatch.chdir(tmp_path)
    before = (published_before("small") / "experiment.json").read_bytes()
    monkeypatch.setattr(
        publish, "rebuild_alone", lambda source, out, cores: (out / "tables").mkdir(parents=True, exist_ok=True)
    )
    monkeypatch.setattr(publish, "_drawn", lambda facts, folder: [])
    number, found = 0, set()
    while is_killed(lambda: publish.publish_again("small"), number):
        folder = published.FOLDER / "small"
        found.add(folder.exists())
        assert published.names() == ["small"]
        if folder.exists():
            published.check_sources(folder)
        else:
            with pytest.raises(UserError, match=r"\.small\.former(.|\n)*--experiment small, which puts it back"):
                Publication.read(folder)
        number += 1
    assert found == {True, False}
    assert (folder / "experiment.json").read_bytes() == before
    left = [path for path in publish.STAGING.iterdir() if not path.name.startswith(".writable-")]  # empty files
    assert not left


@pytest.mark.parametrize("command", ["rebuild", "publish"])
def test_an_experiment_is_published_and_made_again_by_one_process_at_a_time(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locks, "POLL", 0.05)
    published_before("small")
    said = []

    def work(*_) -> tuple[int, int]:
        said.append("begins")
        time.sleep(0.2)
        said.append("ends")
        return 0, 0

    monkeypatch.setattr(rebuild_step, "rebuild", lambda *_: None)
    monkeypatch.setattr(rebuild_step, "check_equal", work)
    monkeypatch.setattr(publish, "_complete", work)
    call = {"rebuild": lambda: cli.rebuild("small", 1, None), "publish": lambda: publish.publish_again("small")}[
        command
    ]
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(call) for _ in range(3)]:
            done.result()
    assert said == ["begins", "ends"] * 3


def test_an_experiment_that_is_not_as_published_stops_those_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("long", "bad"):
        published_before(name)
    done = []

    def part(number: int) -> None:
        time.sleep(0.01)
        done.append(number)

    def rebuild(publication: Publication, source: Path, out: Path, pool: Executor) -> None:
        if source.name == "long":
            list(pool.map(part, range(2000)))
        while not done:
            time.sleep(0.01)
        raise UserError("it differs")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", lambda cores, *_, **__: ThreadPoolExecutor(cores))
    monkeypatch.setattr(rebuild_step, "rebuild", rebuild)
    with pytest.raises(UserError, match="it differs"):
        rebuild_step.rebuild_all(["long", "bad"], 2)
    assert 0 < len(done) < 2000
