"""The report: one file that needs nothing else, shows each number at its place, and takes any name."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_page import page_of
from made_results import analysed
from PIL import Image

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.figures import gallery, style
from pipeline_src.figures.bin_tables import reliability_tables
from pipeline_src.figures.registry import pictures
from pipeline_src.report import page
from pipeline_src.report.page import HERE, SCRIPTS
from pipeline_src.tables.captions import LEGEND, SYNTHETIC

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
    "provenance": {"commit": "0123abc", "machine": "<2 cores> & no GPU"},
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
        np.testing.assert_allclose(numbers, bins[page.BIN_COLUMNS[1:]].to_numpy(), atol=1e-6)


def test_captions_are_short_and_share_one_legend(read, html):
    captions = re.findall(r"<(?:fig)?caption>(.*?)<(?:noscript|/(?:fig)?caption)", html, flags=re.S)
    assert captions and all(len(re.sub("<[^>]*>", "", caption).split()) <= 25 for caption in captions)
    assert all(read.text.count(sentence) == 1 for sentence in LEGEND)


def test_a_method_has_one_color_in_figures_and_in_the_page():
    css = (HERE / "report.css").read_text(encoding="utf-8")
    assert tuple(re.findall(r"--c\d: light-dark\((#\w+),", css)) == style.METHOD_COLORS


def test_a_method_has_one_color_in_all_reports(results):
    """By its name: other methods of the experiment, and their order, change nothing."""
    assert [style.color_number(name) for name in style.COLORED] == list(range(len(style.METHOD_COLORS)))
    colors = page.diagram_data(results)["colors"]
    for methods in (dict(reversed(METHODS.items())), {"aslp_<mc>": METHODS["aslp_<mc>"]}):
        of_others = page.diagram_data(replace(results, facts=replace(FACTS, methods=methods)))["colors"]
        assert of_others == {name: colors[name] for name in methods}
    assert 0 not in colors.values()  # the baseline's, which is none of the names


def test_people_read_one_pair_of_words_for_the_protocols(read):
    assert "unnormalized" in read.text and "min-max normalized" in read.text
    words = re.findall(r"\b(?:raw|stretched)\b", read.text)
    assert words == ["raw", "stretched"]  # the legend's names of columns and files


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


def test_claims_have_verdict_and_evidence_and_those_not_run_take_one_line(results, folder, html, tmp_path):
    more = [{"claim": name, "text": "T", "rule": "R", "protocols": {"raw": NOT_RUN}} for name in ("C7", "C8")]
    shown = page_of(results, folder, tmp_path, claims=CLAIMS | {"claims": [*CLAIMS["claims"], *more]})
    assert re.search(r'<p class="not-run">[^<]*: C7, C8\.</p>', shown) and "<h3>C7" not in shown
    (section,) = re.findall('<section id="claims".*?</section>', shown, flags=re.S)
    for text in ("C4", "Of 1 comparison", "Missing: a block.", EVIDENCE["printed"], "It does too."):
        assert text in Page(section).text
    assert 'id="claims"' in html and 'id="claims"' not in page_of(results, folder, tmp_path)


@pytest.mark.parametrize("protocol", FACTS.protocols)
def test_each_method_stands_with_its_numbers(html, results, protocol):
    block = re.search(f'<div data-protocol="{protocol}">.*?</table>', html, flags=re.S)[0]
    rows = [
        [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row, flags=re.S)]
        for row in re.findall(r"<tr>.*?</tr>", block, flags=re.S)
    ]
    shown = {unescape(cells[0]): dict(zip(rows[0], cells, strict=True)) for cells in rows[1:]}
    assert set(shown) == set(METHODS)
    for (method, cells), (column, part) in product(
        shown.items(), {"ECE %": ODD, "ECE %, out of distribution": "textures"}.items()
    ):
        ece = results.estimate("ece", protocol, method, part).value
        assert cells[column].split()[0] == f"{100 * ece:.2f}"
    ece = {method: results.estimate("ece", protocol, method, ODD).value for method in METHODS}
    change = f"{100 * (ece['aslp_<mc>'] - ece['ce']):+.2f}".replace("-", "−")
    assert shown["aslp_<mc>"]["Change"].startswith(change) and shown["ce"]["Change"] == "–"
    assert {cells["Outcome"] for cells in shown.values()} - {"–"}


def test_pictures_of_predictions_become_coarser_until_they_fit(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (700, 500, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    address = page._image(tmp_path / "noise.png", limit=50_000)
    content = base64.b64decode(address.partition(",")[2])
    assert 10_000 < len(content) <= 50_000
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "WEBP" and image.width / image.height == pytest.approx(5 / 7, rel=0.02)


def test_a_gallery_is_a_section_where_there_is_one(results, html, folder, tmp_path):
    shown = list(gallery.FIGURE.pictures(FACTS))
    assert [picture.split for picture in shown] == list(FACTS.tests)
    for picture in shown:
        Image.new("RGB", (4, 4)).save(tmp_path / f"{picture.name}.png")
    with_gallery = page_of(results, folder, tmp_path, **ABOUT, predictions=tmp_path)
    assert gallery.FIGURE.heading in with_gallery and gallery.FIGURE.heading not in html
    alternatives = [attributes.get("alt") for tag, attributes in Page(with_gallery).tags if tag == "img"]
    assert alternatives == [picture.caption for picture in [*pictures(FACTS), *shown]]
