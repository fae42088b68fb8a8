"""Images that are not independent, such as frames of films: their groups count wherever intervals are made."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_published import FACTS as OF_TWO
from made_published import publish
from made_statistics import ByProtocol, counted, varied

from pipeline_src.analysis import analyse
from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.results import Results
from pipeline_src.counting.storage import save
from pipeline_src.params.schema import Split
from pipeline_src.pipeline.steps.numbers import analyse_split
from pipeline_src.publishing.published import Publication
from pipeline_src.publishing.rebuild import _analyse, _results

FACTS = replace(OF_TWO, methods={"slp": OF_TWO.methods["slp"]})
FILMS, FRAMES = 6, 3
GROUPS = np.repeat(np.arange(FILMS), FRAMES)


def films(method: str, seed: int, part: str) -> ByProtocol:
    """Six films of three equal frames: as if independent, they seem to say three times as much."""
    scenes = list(varied(FILMS, sharp=1.2 + seed / 10))
    return counted(((*scenes[film][:2], f"film{film}-{k}") for k, film in enumerate(GROUPS)), whole=False)


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(analyse, "analyse", partial(analyse.analyse, resamples=60))


def is_wider(grouped: Estimate, independent: Estimate) -> bool:
    """By the root of three at least: few units make it wider still."""
    assert (grouped.units, independent.units) == (FILMS, FILMS * FRAMES)
    widths = [of.image_high - of.image_low for of in (grouped, independent)]
    return grouped.value == independent.value and widths[0] > 1.5 * widths[1] > 0


def rebuilt(name: str, **published) -> Results:
    source, out = publish(name, FACTS, films, **published), Path(f"rebuilt-{name}")
    (out / "analysis").mkdir(parents=True)
    _analyse(source, out, "photos")
    return _results(Publication.read(source), out)


def test_what_is_made_of_published_statistics_keeps_groups_and_notes():
    grouped = rebuilt("films", groups={"photos": GROUPS.tolist()}, notes={"photos": "Half of them."})
    independent = rebuilt("frames")
    assert "Half of them." in grouped.note("photos") and "Half" not in independent.note("photos")
    assert grouped.measured("raw", "photos")["slp"].groups.tolist() == GROUPS.tolist()
    assert independent.measured("raw", "photos")["slp"].groups is None
    assert is_wider(*(of.estimate("brier", "raw", "slp", "photos") for of in (grouped, independent)))


@pytest.mark.parametrize("kind", ["pattern", "file"])
def test_an_analysis_takes_the_groups_of_the_set(tmp_path, kind):
    Path("clips.csv").write_text("id,group\n" + "".join(f"film{g}-{k},{g}\n" for k, g in enumerate(GROUPS)))
    evaluated = {}
    for method, seed in FACTS.runs:
        save(films(method, seed, "photos"), tmp_path / f"{method}{seed}/photos.npz", {})
        evaluated[f"{method}/seed{seed}"] = SimpleNamespace(folder=tmp_path / f"{method}{seed}")

    def analysed(groups: str, grouped: Path | None) -> Results:
        job = SimpleNamespace(
            files=("photos.npz",),
            parameters={"split": "photos", "bins": FACTS.bins, "runs": FACTS.runs, "images": Split(set="x")},
            inputs=evaluated,
            reads="photos.npz",
            options={"names": None, "groups": groups, "grouped": grouped},
        )
        folder = tmp_path / f"analysed-{bool(groups)}"
        folder.mkdir()
        analyse_split(job, folder)
        return Results(FACTS, {"photos": folder / "photos.npz"})

    grouped = analysed("^(film.)-", None) if kind == "pattern" else analysed("clips.csv", Path("clips.csv"))
    assert grouped.measured("raw", "photos")["slp"].groups.tolist() == GROUPS.tolist()
    assert is_wider(*(of.estimate("brier", "raw", "slp", "photos") for of in (grouped, analysed("", None))))
