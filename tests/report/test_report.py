"""The report: one file that needs nothing else, shows each number at its place, and takes any name."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_page import page_of
from made_results import HandMade, analysed, by_hand
from project import call

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.errors import UserError
from pipeline_src.figures import reliability, style
from pipeline_src.figures.bin_tables import reliability_tables
from pipeline_src.figures.registry import pictures
from pipeline_src.report import gallery, provenance
from pipeline_src.report.page import HERE, SCRIPTS
from pipeline_src.report.provenance import commit, made_by
from pipeline_src.tables.captions import LEGEND, SYNTHETIC
from pipeline_src.text_tables import Group, Table

ODD = "<b>o_d&d</b></script>"
METHODS = {"ce": MethodFacts("baseline"), "aslp_<mc>": MethodFacts("aslp_mc", {"rule": "<b>"}, learns=True)}
PARTS = {"val": "val", ODD: "id", "textures": "ood"}
FACTS = Facts("tiny & <i>small</i>", METHODS, PARTS, epochs=3, captions={ODD: "Its masks are <drawn>."})
EVIDENCE = {
    **{"what": "ECE of aslp_<mc> − ce", "sets": {ODD: 2}, "unit": "percentage points", "says": "for"},
    **{"printed": "−1.23 [−2.00, −1.00]", "printed_joint": "[−2.10, −0.90]", "printed_seeds": "0", "wanted": "below 0"},
}
SUPPORTED = {"verdict": "supported", "seeds": 2, "why": "Of 1 comparison 1 for it.", "evidence": [EVIDENCE]}
NOT_RUN = {"verdict": "not run", "seeds": 0, "why": "Missing: a block.", "evidence": [], "secondary": []}
CLAIM = {"claim": "C4", "text": "ASLP_MC has the lowest ECE.", "rule": "It is below <every> other."}
SECONDARY = [{"what": "ASLP_CL & co", **SUPPORTED, "why": "It does too."}]
CLAIMS = {
    **{"experiment": FACTS.experiment, "synthetic": False, "interval": "95 %", "compared": ["ce"], "not_compared": []},
    "claims": [CLAIM | {"protocols": {"raw": SUPPORTED | {"secondary": SECONDARY}, "stretched": NOT_RUN}}],
}
ABOUT = {
    "claims": CLAIMS,
    "params": {"note": "</pre><script>alert(1)</script>", "model": {"config": "unet<s>"}, "image_size": 96},
    "made": {"commit": "0123abc", "machine": "<2 cores> & no GPU"},
    "data": [{"part": ODD, "images": 2}, {"part": "train", "images": 1500}],
    "task": "salient objects",
    "described": {"ce": {"title": "Baseline", "idea": "Plain <likelihood>."}},
    "fitted": {("aslp_<mc>", 0): {"temperature": 1.23456789, "sampled": 100}},
    "judged": {
        "raw": Table("tab:T8", "Other models, unnormalized", ["", "ECE %"], [Group("X", [["U<2>Net", "3.21"]])])
    },
}


class Page(HTMLParser):
    """What a browser would make of the page: tags with attributes, and the text outside of style and script."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "input", "br", "img", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)


def maps(method: str, seed: int, part: str):
    rng = np.random.default_rng(list(PARTS).index(part))
    for _ in range(2):
        target = (rng.random((16, 16)) < (0 if part == "textures" else 0.4)).astype(np.uint8)
        flipped = target ^ (rng.random(target.shape) < {"ce": 0.3, "aslp_<mc>": 0.15}[method])
        yield np.where(flipped, 0.9, 0.1).astype(np.float32), target


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return analysed(tmp_path_factory.mktemp("analyses"), FACTS, maps)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Printed tables, and the files of all figures, for which one drawing stands."""
    folder = tmp_path_factory.mktemp("shown")
    with style.house():
        style.save_for_page(style.new_figure(1, "Drawn", [])[0], folder / "drawn")
    for picture in pictures(FACTS):
        (folder / f"{picture.name}.png").hardlink_to(folder / "drawn.png")
    groups = [Group(part, [[m, f"{k}.25 ± 0.10"] for k, m in enumerate(METHODS)]) for part in PARTS]
    main = Table("tab:main", "Calibration and accuracy, unnormalized", ["", "ECE %"], groups, ["A <note>."])
    printed = {"main": {"raw": asdict(main)}, "T3": {"": asdict(replace(main, caption="Strengths. All.", groups=[]))}}
    (folder / "printed.json").write_text(json.dumps(printed), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def html(results, folder, tmp_path_factory) -> str:
    return page_of(results, folder, folder, tmp_path_factory.mktemp("report"), **ABOUT)


@pytest.fixture(scope="module")
def read(html) -> Page:
    return Page(html)


def test_may_load_nothing(html, read):
    policy = next(a["content"] for tag, a in read.tags if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    links = [v for _, attributes in read.tags for k, v in attributes.items() if k in ("src", "href", "xlink:href")]
    links += re.findall(r"url\(([^)]*)\)", html[: html.index("<script")])
    assert links and all(link.startswith(("#", "data:")) for link in links)


def test_all_figures_are_shown_and_reliability_diagrams_of_the_opening(read):
    shown = [picture for picture in pictures(FACTS) if picture.type != reliability.FIGURE]
    opening = [p for p in pictures(FACTS) if p.type == reliability.FIGURE and (p.part, p.protocol) == (ODD, "raw")]
    assert all(picture.caption in read.text for picture in shown)
    drawn = [attributes["alt"] for tag, attributes in read.tags if tag == "img"]
    assert sorted(drawn) == sorted(picture.caption for picture in opening + shown)


def test_the_diagrams_hold_the_bins_and_errors_of_the_results(results):
    cells = gallery.diagram_data(results)["cells"]
    for protocol, part, method in product(FACTS.protocols, PARTS, METHODS):
        cell = cells[protocol][part][method]
        table = pd.DataFrame(reliability_tables(results, part)[protocol, method])
        assert cell["ece"] == results.estimate("ece", protocol, method, part).value
        assert cell["accuracy"] == pytest.approx(table["accuracy"].iloc[-1], abs=1e-6)
        bins = table[:-1][table["pixels"][:-1] > 0]
        assert [row[:2] for row in cell["rows"]] == list(map(list, zip(bins.index, bins["pixels"], strict=True)))
        numbers = np.array([row[2:] for row in cell["rows"]], float)
        np.testing.assert_allclose(numbers, bins[gallery.ROW[1:]].to_numpy(), atol=1e-6)


def test_captions_are_short_and_share_one_legend(read, html):
    captions = re.findall(r"<(?:fig)?caption>(.*?)<(?:noscript|/(?:fig)?caption)", html, flags=re.S)
    assert captions and all(len(re.sub("<[^>]*>", "", caption).split()) <= 25 for caption in captions)
    assert all(read.text.count(sentence) == 1 for sentence in LEGEND)


def test_a_method_has_one_color_in_figures_and_in_the_page():
    css = (HERE / "report.css").read_text(encoding="utf-8")
    assert tuple(re.findall(r"--c\d: light-dark\((#\w+),", css)) == style.METHOD_COLORS


def test_the_first_screen_says_what_was_compared_and_recommends_once_per_protocol(
    html, read, results, folder, tmp_path
):
    title = re.search("<title>(.*?)</title>", html)[1]
    assert title == re.search("<h1>(.*?)</h1>", html)[1]
    assert all(name in Page(title).text for name in (FACTS.experiment, "2 methods", ODD))
    uses = [attributes["data-protocol"] for _, attributes in read.tags if attributes.get("class") == "use"]
    assert uses == ["raw", "stretched"]
    assert html.index('class="use"') < html.index("<nav")
    synthetic = page_of(replace(results, facts=replace(FACTS, synthetic=True)), folder, folder, tmp_path)
    assert synthetic.index(SYNTHETIC) < synthetic.index('class="use"') and SYNTHETIC not in html


def test_ids_are_unique_and_references_lead_somewhere(read):
    ids = Counter(attributes["id"] for _, attributes in read.tags if "id" in attributes)
    assert max(ids.values()) == 1
    targets = {value[1:] for _, a in read.tags for key, value in a.items() if key == "href" and value.startswith("#")}
    assert targets | {a["aria-labelledby"] for _, a in read.tags if "aria-labelledby" in a} <= set(ids)


def test_names_and_values_are_text_and_never_markup(read):
    for text in (
        *(ODD, FACTS.experiment, "aslp_<mc>", "</pre><script>alert(1)</script>", "<2 cores> & no GPU"),
        *("Its masks are <drawn>.", "It is below <every> other.", "salient objects · unet<s>", "96 px", "1,500"),
        *("Plain <likelihood>.", "rule: <b>", "temperature: 1.23457, sampled: 100", "T8 Other models", "U<2>Net3.21"),
    ):
        assert text in read.text, text
    assert "i" not in {tag for tag, _ in read.tags}
    assert sum(tag == "script" for tag, _ in read.tags) == 1 + len(SCRIPTS)
    assert read.open == []
    assert {a["title"] for tag, a in read.tags if tag == "th" and "title" in a} == {"Plain <likelihood>."}


def test_holds_the_tables(read):
    assert re.search("ECE % .*0.25 ± 0.10.*1.25 ± 0.10.*A <note>", read.text)
    assert not any("Strengths. All." in attributes.get("aria-label", "") for _, attributes in read.tags)  # no rows


def test_claims_have_verdict_and_evidence_and_those_not_run_take_one_line(results, folder, html, tmp_path):
    more = [{"claim": name, "text": "T", "rule": "R", "protocols": {"raw": NOT_RUN}} for name in ("C7", "C8")]
    shown = page_of(results, folder, folder, tmp_path, claims=CLAIMS | {"claims": [*CLAIMS["claims"], *more]})
    assert re.search(r'<p class="not-run">[^<]*: C7, C8\.</p>', shown) and "<h3>C7" not in shown
    (section,) = re.findall('<section id="claims".*?</section>', shown, flags=re.S)
    for text in ("C4", "Of 1 comparison", "Missing: a block.", EVIDENCE["printed"], "It does too."):
        assert text in Page(section).text
    assert 'id="claims"' in html and 'id="claims"' not in page_of(results, folder, folder, tmp_path)


def test_a_missing_figure_is_named(results, folder, tmp_path):
    with pytest.raises(UserError, match=r"reliability-raw-ce-.*\.png"):
        page_of(results, folder, tmp_path, tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_versions_machine_and_commit_are_known(tmp_path, monkeypatch):
    """A commit is dirty where code differs."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "pipeline_src")  # in no repository
    known = made_by(training_seconds=90)
    assert known["training, all runs"] == "1.5 min"
    assert {"written", "python", "numpy", "machine"} <= set(known) and "commit" not in known
    files = ("params.yaml", "my_method.py", "pipeline_src/report/report.css", "workflow/Snakefile", "docs/page.md")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    for words in (["init"], ["add", "."], ["commit", "--message", "one"]):
        call(tmp_path, "git", *words)
    dirty = []
    for name in files:
        (tmp_path / name).write_text("two")
        if commit().endswith("-dirty"):
            dirty.append(name)
        (tmp_path / name).write_text("one")
    assert dirty == ["my_method.py", "pipeline_src/report/report.css", "workflow/Snakefile"]
    assert re.fullmatch("[0-9a-f]{12}", commit())
    monkeypatch.setattr(provenance, "ROOT", tmp_path / ".venv/site-packages/pipeline_src")  # installed, in a repository
    provenance.ROOT.mkdir(parents=True)
    assert commit() == ""


# Each number at its place

ROLES = {"textures": "ood", "set": "id", "set: more": "shifted"}
PLACED = ("baseline", "slp", "mc")
ECE = {  # in %, of the methods in their order; no two numbers are alike
    ("raw", "set"): (4.1, 2.1, 3.1),
    ("raw", "set: more"): (5.1, 6.1, 7.1),
    ("raw", "textures"): (9.1, 8.1, 7.6),
    ("stretched", "set"): (4.2, 3.2, 2.2),
    ("stretched", "set: more"): (5.2, 6.2, 7.2),
    ("stretched", "textures"): (9.2, 8.2, 7.7),
}
BEST = {"raw": "slp", "stretched": "mc"}


@pytest.fixture(scope="module")
def placed(tmp_path_factory) -> str:
    """The page of made-up numbers, without figures."""
    folder, measured = tmp_path_factory.mktemp("report"), {}
    for (protocol, part), errors in ECE.items():
        for method, ece in zip(PLACED, errors, strict=True):
            points = {"ece": [ece / 100], "oe": [0.01], "accuracy": [0.9], "brier": [ece / 50]}
            measured[protocol, part, method] = by_hand(points, np.array([-0.001, 0, 0.001]))
    facts = Facts("places", {name: MethodFacts(name) for name in PLACED}, ROLES)
    (folder / "printed.json").write_text("{}", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "sections", lambda facts, folder: [])
        patch.setattr(gallery, "still_diagrams", lambda facts, folder, *place: [f"first: {place}"])
        patch.setattr(gallery, "diagram_data", lambda results: {"methods": PLACED, "bins": 10})
        html = page_of(HandMade(facts, {}, measured), folder, folder, folder)
    assert "first: (['baseline', 'slp'], 'set', 'raw')" in html.replace("&#39;", "'")
    return html.replace("\u00a0", " ")


@pytest.mark.parametrize("protocol", BEST)
def test_the_recommendation_is_of_the_protocol_and_each_sentence_of_its_role(placed, protocol):
    (use,) = re.findall(f'<p class="use" data-protocol="{protocol}">(.*?)</p>', placed)
    numbers = {part: dict(zip(PLACED, ECE[protocol, part], strict=True)) for part in ROLES}
    best = BEST[protocol]
    inside, shifted, outside = re.split(r"Under shift|Out of distribution", use)
    for text, part in ((inside, "set"), (shifted, "set: more"), (outside, "textures")):
        assert part in text
        assert f"{numbers[part][best]:.2f} %" in text and f"{numbers[part]['baseline']:.2f} %" in text
    assert f"Use {best}" in inside


@pytest.mark.parametrize("protocol", BEST)
def test_the_table_of_methods_has_a_column_for_each_role(placed, protocol):
    block = re.search(f'<div data-protocol="{protocol}">.*?</table>', placed, flags=re.S)[0]
    rows = [
        [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row, flags=re.S)]
        for row in re.findall(r"<tr>.*?</tr>", block, flags=re.S)
    ]
    assert len(rows) == 1 + len(PLACED)
    for cells in rows[1:]:
        shown = dict(zip(rows[0], cells, strict=True))
        place = PLACED.index(shown["Method"])
        for suffix, part in (("", "set"), (", under shift", "set: more"), (", out of distribution", "textures")):
            assert shown[f"ECE %{suffix}"].split()[0] == f"{ECE[protocol, part][place]:.2f}"
