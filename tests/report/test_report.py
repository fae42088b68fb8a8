"""The report: one file that needs nothing else, shows each number at its place, and takes any name."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_page import page_of
from made_results import HandMade, analysed, by_hand
from project import call

from pipeline_src import python_source
from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.figures import style
from pipeline_src.figures.bin_tables import reliability_tables
from pipeline_src.figures.registry import pictures
from pipeline_src.report import page
from pipeline_src.report.page import HERE, SCRIPTS
from pipeline_src.tables.captions import LEGEND, SYNTHETIC
from pipeline_src.tables.write import printed_tables

ODD = "<b>o_d&d</b></script>"
METHODS = {"ce": MethodFacts("baseline"), "aslp_<mc>": MethodFacts("aslp_mc", {"rule": "<b>"}, learns=True)}
PARTS = {"val": "val", ODD: "id", "textures": "ood"}
FACTS = Facts("tiny & <i>small</i>", METHODS, PARTS, epochs=3, captions={ODD: "Its masks are <drawn>."})
EVIDENCE = {
    **{"what": "ECE of aslp_<mc> − ce", "sets": {ODD: 2}, "unit": "percentage points", "says": "for"},
    **{"printed": "−1.23 [−2.00, −1.00]", "printed_joint": "[−2.10, −0.90]", "wanted": "below 0"},
}
SUPPORTED = {"verdict": "supported", "seeds": 2, "why": "Of 1 comparison 1 for it.", "evidence": [EVIDENCE]}
NOT_RUN = {"verdict": "not run", "seeds": 0, "why": "Missing: a block.", "evidence": [], "secondary": []}
CLAIM = {"claim": "C4", "text": "ASLP_MC has the lowest ECE.", "rule": "It is below <every> other."}
SECONDARY = [{"what": "ASLP_CL & co", **SUPPORTED, "why": "It does too."}]
CLAIMS = {
    **{"experiment": FACTS.experiment, "synthetic": False},
    "claims": [CLAIM | {"protocols": {"raw": SUPPORTED | {"secondary": SECONDARY}, "stretched": NOT_RUN}}],
}
ABOUT = {
    "claims": CLAIMS,
    "params": {"note": "</pre><script>alert(1)</script>", "model": {"config": "unet<s>"}, "image_size": 96},
    "made": {"commit": "0123abc", "machine": "<2 cores> & no GPU"},
    "data": [{"part": ODD, "images": 2}, {"part": "train", "images": 1500}],
    "task": "salient objects",
    "described": {"ce": {"title": "Baseline", "idea": "Plain <likelihood>."}},
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
    """The files of all figures, for which one drawing stands."""
    folder = tmp_path_factory.mktemp("shown")
    with style.house():
        style.save(style.new_figure(1, "Drawn", [])[0], folder / "drawn", [".png"])
    for picture in pictures(FACTS):
        (folder / f"{picture.name}.png").hardlink_to(folder / "drawn.png")
    return folder


@pytest.fixture(scope="module")
def html(results, folder, tmp_path_factory) -> str:
    return page_of(results, folder, tmp_path_factory.mktemp("report"), **ABOUT)


@pytest.fixture(scope="module")
def read(html) -> Page:
    return Page(html)


def test_may_load_nothing(html, read):
    policy = next(a["content"] for tag, a in read.tags if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    links = [v for _, attributes in read.tags for k, v in attributes.items() if k in ("src", "href", "xlink:href")]
    links += re.findall(r"url\(([^)]*)\)", html[: html.index("<script")])
    assert links and all(link.startswith(("#", "data:")) for link in links)


def test_all_figures_are_shown(read):
    captions = sorted(picture.caption for picture in pictures(FACTS))
    assert all(caption in read.text for caption in captions)
    assert sorted(attributes["alt"] for tag, attributes in read.tags if tag == "img") == captions


def test_the_diagrams_hold_the_bins_and_errors_of_the_results(results):
    cells = page.diagram_data(results)["cells"]
    for protocol, part, method in product(FACTS.protocols, PARTS, METHODS):
        cell = cells[protocol][part][method]
        table = pd.DataFrame(reliability_tables(results, part)[protocol, method])
        assert cell["ece"] == results.estimate("ece", protocol, method, part).value
        assert cell["accuracy"] == pytest.approx(table["accuracy"].iloc[-1], abs=1e-6)
        bins = table[:-1][table["pixels"][:-1] > 0]
        assert [row[:2] for row in cell["rows"]] == list(map(list, zip(bins.index, bins["pixels"], strict=True)))
        numbers = np.array([row[2:] for row in cell["rows"]], float)
        np.testing.assert_allclose(numbers, bins[page.ROW[1:]].to_numpy(), atol=1e-6)


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
    synthetic = page_of(replace(results, facts=replace(FACTS, synthetic=True)), folder, tmp_path)
    assert synthetic.index(SYNTHETIC) < synthetic.index('class="use"') and SYNTHETIC not in html


def test_ids_are_unique_and_references_lead_somewhere(read):
    ids = Counter(attributes["id"] for _, attributes in read.tags if "id" in attributes)
    assert max(ids.values()) == 1
    targets = {value[1:] for _, a in read.tags for key, value in a.items() if key == "href" and value.startswith("#")}
    assert targets | {a["aria-labelledby"] for _, a in read.tags if "aria-labelledby" in a} <= set(ids)


def test_names_and_values_are_text_and_never_markup(read):
    for text in (
        *(ODD, FACTS.experiment, "aslp_<mc>", "</pre><script>alert(1)</script>", "<2 cores> & no GPU"),
        *("Its masks are <drawn>.", "It is below <every> other.", "salient objects · unet<s> · 96 px · 1,500"),
        *("Plain <likelihood>.", "rule: <b>"),
    ):
        assert text in read.text, text
    assert "i" not in {tag for tag, _ in read.tags}
    assert sum(tag == "script" for tag, _ in read.tags) == 1 + len(SCRIPTS)
    assert read.open == []


def test_holds_the_tables_of_the_results(read, results):
    for name, by_protocol in printed_tables(results):
        for table in by_protocol.values():
            assert all(
                row[0] in read.text and row[1].split()[0] in read.text for g in table.groups for row in g.rows
            ), name


def test_claims_have_verdict_and_evidence_and_those_not_run_take_one_line(results, folder, html, tmp_path):
    more = [{"claim": name, "text": "T", "rule": "R", "protocols": {"raw": NOT_RUN}} for name in ("C7", "C8")]
    shown = page_of(results, folder, tmp_path, claims=CLAIMS | {"claims": [*CLAIMS["claims"], *more]})
    assert re.search(r'<p class="not-run">[^<]*: C7, C8\.</p>', shown) and "<h3>C7" not in shown
    (section,) = re.findall('<section id="claims".*?</section>', shown, flags=re.S)
    for text in ("C4", "Of 1 comparison", "Missing: a block.", EVIDENCE["printed"], "It does too."):
        assert text in Page(section).text
    assert 'id="claims"' in html and 'id="claims"' not in page_of(results, folder, tmp_path)


def test_the_commit_is_that_of_a_clone(tmp_path, monkeypatch):
    monkeypatch.setattr(python_source, "ROOT", tmp_path / "pipeline_src")
    assert python_source.commit() == ""
    (tmp_path / "a.txt").write_text("one")
    for words in (["init"], ["add", "."], ["commit", "--message", "one"]):
        call(tmp_path, "git", *words)
    assert re.fullmatch("[0-9a-f]{12}", python_source.commit())
    (tmp_path / "a.txt").write_text("two")
    assert python_source.commit().endswith("-dirty")


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "_figure_sections", lambda facts, folder: [])
        patch.setattr(page, "diagram_data", lambda results: {"methods": PLACED, "bins": 10})
        patch.setattr(page, "printed_tables", lambda results: [])
        html = page_of(HandMade(facts, {}, measured), folder, folder)
    assert re.findall(r'value="(\w+)" checked', html) == ["baseline", "slp"] and 'value="set" selected' in html
    return html.replace("\u00a0", " ")


@pytest.mark.parametrize("protocol", BEST)
def test_the_recommendation_is_of_the_protocol(placed, protocol):
    (use,) = re.findall(f'<p class="use" data-protocol="{protocol}">(.*?)</p>', placed)
    numbers, best = dict(zip(PLACED, ECE[protocol, "set"], strict=True)), BEST[protocol]
    assert f"Use {best}" in use and "(set)" in use
    assert f"{numbers[best]:.2f} %" in use and f"{numbers['baseline']:.2f} %" in use


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
