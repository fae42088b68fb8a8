"""Tables of published results in README.md and docs/."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pages
import pytest
from pages import pairs, rewritten

from pipeline_src.errors import UserError

ROOT = Path(__file__).parents[2]
PAGE = "Before.\n\n<!-- published: small raw ece accuracy -->\n| old |\n<!-- end of published -->\n\nAfter.\n"
WRITTEN = """Before.

<!-- published: small raw ece accuracy -->
| unnormalized | photos | textures (OOD) |
| --- | --- | --- |
| baseline | 4.00 ± 0.50 / 91.00 | 3.00 / – |
| aslp | 1.00 / 92.00 | – / – |
<!-- end of published -->

After.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Published numbers of two methods on a validation set and two test sets."""

    def of(mean: float | None, sd: float | None = None) -> dict[str, float | None]:
        return {"mean": mean, "sd": sd, "low": None, "high": None}

    photos = {"ece": of(0.04, 0.005), "accuracy": of(0.91, 0.01)}
    metrics = {
        "baseline": {"val": photos, "photos": photos, "textures": {"ece": of(0.03), "accuracy": of(None)}},
        "aslp": {"val": photos, "photos": {"ece": of(0.01), "accuracy": of(0.92)}},
    }
    sets = {"val": {"role": "val"}, "photos": {"role": "id"}, "textures": {"role": "ood"}}
    content = {"sets": sets, "metrics": {"raw": metrics}}
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "metrics.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize("between", ["", "\n", "| old |\n", "| old |\n\n"])
def test_a_table_is_written_from_published_numbers(folder, between):
    assert rewritten(PAGE.replace("| old |\n", between), folder) == WRITTEN
    assert rewritten(WRITTEN, folder) == WRITTEN


def test_methods_can_be_sorted(folder):
    """By the first metric in distribution; without the word they stay in the order of the experiment."""
    page = rewritten(PAGE.replace("small raw", "small sorted raw"), folder)
    assert re.findall(r"^\| (baseline|aslp) ", page, re.MULTILINE) == ["aslp", "baseline"]


@pytest.mark.parametrize("line", ["<!-- end of published -->", "<!-- published: small raw ece accuracy -->"])
def test_a_comment_without_its_partner_is_refused(folder, line):
    with pytest.raises(UserError, match=rf"no beginning or no end\n.*{re.escape(line[:12])}"):
        rewritten(PAGE + f"{line}\n", folder)
    with pytest.raises(UserError, match="no beginning or no end"):
        rewritten(PAGE.replace(f"{line}\n", ""), folder)


def test_a_table_of_an_experiment_that_is_not_published_stays(tmp_path):
    assert rewritten(PAGE, tmp_path) == PAGE


@pytest.mark.parametrize(
    "words", ["", "raw", "rotated ece", "raw ece nothing", "differences", "differences raw ece", "verdicts"]
)
def test_a_table_of_unknown_numbers_is_refused(folder, words):
    """The message says what was asked for, and all that can be."""
    with pytest.raises(UserError, match=f"found: +{words or 'the name of an experiment alone'}\n") as refused:
        rewritten(PAGE.replace("raw ece accuracy", words), folder)
    for form in ("PROTOCOL METRIC ...", "differences PROTOCOL METRIC,METRIC", "claims"):
        assert str(refused.value).count(form) == 1


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"metrics": {"raw": {"baseline": 3}}, "sets": {"photos": {"role": "id"}}}']
)
def test_edited_numbers_are_named(folder, content):
    (folder / "small" / "metrics.json").write_text(content)
    with pytest.raises(
        UserError,
        match=r"small: metrics\.json, claims\.json or differences\.json is not what was published(.|\n)*git checkout",
    ):
        rewritten(PAGE, folder)


def test_claims_are_a_table_too(folder):
    protocols = {"raw": {"verdict": "supported", "why": "All for it."}, "stretched": {"verdict": "not run", "why": "–"}}
    claims = [{"claim": "C1", "text": "Over-confident.", "protocols": protocols}]
    (folder / "small" / "claims.json").write_text(json.dumps({"claims": claims}))
    written = rewritten(PAGE.replace("raw ece accuracy", "claims"), folder)
    assert (
        "| C1 | Over-confident. | unnormalized: supported | All for it. |\n|  |  | min-max normalized: not run | – |"
        in written
    )


def test_verdicts_of_several_experiments_are_a_table_too(folder):
    def claims(**verdicts: dict[str, str]) -> str:
        of = {name: {key: {"verdict": text} for key, text in of.items()} for name, of in verdicts.items()}
        return json.dumps({"claims": [{"claim": name, "text": f"{name}.", "protocols": of[name]} for name in of]})

    (folder / "small" / "claims.json").write_text(
        claims(C2={"raw": "supported"}, ours={"stretched": "supported"}, C10={"any": "inconclusive"})
    )
    (folder / "other").mkdir()
    (folder / "other" / "claims.json").write_text(
        claims(C2={"raw": "not run", "stretched": "supported"}, C9={"raw": "supported"})
    )
    written = rewritten(PAGE.replace("raw ece accuracy", "verdicts raw other"), folder)
    rows = [
        "| unnormalized | claim | small | other |",
        "| --- | --- | --- | --- |",
        "| C2 | C2. | supported | – |",
        "| C9 | C9. | – | supported |",
        "| C10 | C10. | inconclusive | – |",
        "| ours | ours. | – | – |",
    ]
    assert "\n".join(rows) in written


def test_verdicts_of_what_spans_experiments_are_made_before_the_pages(folder, monkeypatch):
    """Else a page would show those that somebody edited, until it is written again."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(pages, "TABLES", {})
    monkeypatch.setattr(pages.published, "names", list)
    monkeypatch.setattr(pages.published_pairs, "write", lambda pairs: None)
    verdict = '{"claims": [{"claim": "C8", "text": "On all tasks.", "protocols": {"raw": {"verdict": "%s"}}}]}'
    Path("small/claims.json").write_text(verdict % "supported")
    monkeypatch.setattr(
        pages.published_overview, "write", lambda: Path("small/claims.json").write_text(verdict % "refuted")
    )
    Path("README.md").write_text(PAGE.replace("raw ece accuracy", "verdicts raw"))
    monkeypatch.setattr(pages, "rewritten", lambda page: rewritten(page, Path(".")))
    pages.write()
    assert "| C8 | On all tasks. | refuted |" in Path("README.md").read_text()


def test_a_page_that_is_edited_while_differences_are_made_keeps_the_edit(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(pages, "TABLES", {})
    monkeypatch.setattr(pages.published, "names", list)
    monkeypatch.setattr(pages.published_overview, "write", lambda: None)
    monkeypatch.setattr(pages.published_pairs, "write", lambda pairs: Path("README.md").write_text("# Edited\n"))
    Path("README.md").write_text("# As it was\n")
    pages.write()
    assert Path("README.md").read_text() == "# Edited\n"


def test_differences_are_a_table_too(folder):
    texts = {"photos": {"ECE, points": "−3.00↓", "Brier": "0.00"}, "smoke": {"ECE, points": "+1.00"}}
    (folder / "overview").mkdir()
    content = {"a:slp/b:slp": {"made_of": {}, "differences": {"raw": texts}}}
    (folder / "overview" / "differences.json").write_text(json.dumps(content))
    page = "<!-- published: differences raw ece,brier a:slp/b:slp -->\n<!-- end of published -->\n"
    assert pairs(page + PAGE) == ["a:slp/b:slp"]
    rows = [line for line in rewritten(page, folder).splitlines() if line.startswith("|")]
    assert rows[0] == "| unnormalized: ECE, points / Brier | photos | smoke |"
    assert rows[2:] == ["| slp − slp | −3.00↓ / 0.00 | +1.00 / – |"]
    for words in ("raw", "raw ece a:slp/c:slp", "no ece a:slp/b:slp", "raw mass a:slp/b:slp"):
        with pytest.raises(UserError, match="nothing is known of"):
            rewritten(page.replace("raw ece,brier a:slp/b:slp", words), folder)


def test_published_differences_rest_on_what_is_published():
    published = ROOT / "results/published"
    for of in json.loads((published / "overview/differences.json").read_text()).values():
        for name, digest in of["made_of"].items():
            assert digest == json.loads((published / name / "experiment.json").read_text())["files"]["counts.zip"]
