"""Published results that are damaged: they are named and never used."""

from __future__ import annotations

from pathlib import Path

import pytest
from damaged import flipped
from made_published import FACTS, publish
from made_statistics import counted, varied
from project import ROOT

from pipeline_src.counting.counts import COLUMNS
from pipeline_src.counting.levels import UNIT
from pipeline_src.counting.storage import load, save
from pipeline_src.errors import UserError
from pipeline_src.publishing import archives, published
from pipeline_src.publishing.counts_file import CountsFile
from pipeline_src.publishing.rebuild import differing, rebuild_all


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published experiment of two images, without computed files but metrics.json."""
    monkeypatch.chdir(tmp_path)
    small = publish("small", FACTS, lambda *_: counted(varied(2), whole=False))
    (small / "metrics.json").write_text("{}\n")
    published.Publication.read(small).write(small)
    return small


@pytest.mark.parametrize("name", ["counts.zip", "runs.zip"])
@pytest.mark.parametrize("fault", [flipped, Path.unlink])
def test_a_damaged_or_lost_source_is_named(folder, name, fault):
    fault(folder / name)
    with pytest.raises(UserError, match=rf"results/published/small/{name}(.|\n)*git checkout"):
        rebuild_all(["small"])


def test_a_computed_file_is_checked_before_pages_show_it(folder):
    flipped(folder / "metrics.json")
    with pytest.raises(UserError, match=r"small/metrics\.json(.|\n)*rebuild --write --experiment small"):
        published.checked(folder, ["metrics.json"])
    published.checked(folder)  # the sources are as published


@pytest.mark.parametrize("name", ["tables.zip", "claims.md"])
def test_damaged_computed_files_are_named(folder, name):
    archives.pack({"T1.csv": b"a,b\n" * 99}, folder / "tables.zip")
    (folder / "claims.md").write_text("claims" * 99)
    content = bytearray((folder / name).read_bytes())
    content[30:70] = b"\xff" * 40
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"small/{name}(.|\n)*git checkout"):
        differing(folder, folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"torch": "2.9.0"', '"torch": "2.9.1"'), ('"notes"', '"nodes"'), ('"digest"', '"digits"'), ("{", "[")],
)
def test_an_edited_experiment_is_named(folder, old, new):
    file = folder / "experiment.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=r"results/published/small/experiment\.json was altered(.|\n)*git checkout"):
        published.checked(folder)


def test_an_unknown_experiment_is_named(folder):
    with pytest.raises(UserError, match=r"results/published/smal is not a published experiment(.|\n)*small"):
        published.checked(folder.parent / "smal")


def test_counts_of_another_experiment_are_checked(folder):
    other = publish("other", FACTS, lambda *_: counted(varied(2), whole=False), counts_in={"slp": "small"})
    published.checked(other)
    (folder / "counts.zip").unlink()
    with pytest.raises(UserError, match=r"small/counts\.zip"):
        published.checked(other)


@pytest.mark.parametrize(("column", "amount"), [("correct", 1), ("confidence", UNIT)])
def test_sums_of_images_that_contradict_the_histogram_are_refused(folder, column, amount):
    """Counts as a reader of results and of published runs finds them."""
    wrong = counted(varied(2), whole=False)
    wrong["raw"].images.table[0, COLUMNS.index(column)] += amount
    save(wrong, folder / "statistic.npz", {})
    with pytest.raises(UserError, match=rf"statistic\.npz(.|\n)*{column}"):
        load(folder / "statistic.npz")
    published_wrongly = publish("wrong", FACTS, lambda *_: wrong)
    with pytest.raises(UserError, match=rf"wrong/counts\.zip(.|\n)*{column}"):
        CountsFile(published_wrongly / "counts.zip").read("photos", "slp", 0)


@pytest.mark.slow
def test_sums_of_every_published_run_are_those_of_its_histogram():
    """`read` compares them."""
    files = sorted((ROOT / published.FOLDER).glob(f"*/{published.COUNTS}"))
    assert len(files) > 10
    for path in files:
        file = CountsFile(path)
        for run in file.runs:
            file.read(*run)
