"""The report: one file that needs nothing else, says what the numbers say, and takes any name."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pipeline_src.analysis.roles import Role
from pipeline_src.analysis.samples import sample

from pipeline_src.analysis.results import Numbers, Results, read
from pipeline_src.claims.main import judged
from pipeline_src.claims.view import View
from pipeline_src.counting.statistic import Statistic
from pipeline_src.errors import UserError
from pipeline_src.figures.catalogue import Facts, Picture, pictures
from pipeline_src.figures.main import write_figures
from pipeline_src.figures.sources import Sources
from pipeline_src.report import SCRIPTS, summary, write_report
from pipeline_src.report.gallery import LARGEST_SVG, gallery
from pipeline_src.tables.main import write_tables

ODD = "<b>o_d&d</b></script>"
PARTS = {"val": "val", ODD: "id", "textures": "ood"}
ABOUT = {
    "params": {"note": "</pre><script>alert(1)</script> & more"},
    "made": {"commit": "0123abc", "machine": "<2 cores> & no GPU"},
    "data": [{"part": ODD, "images": 2}, {"part": "val", "hash": "f" * 64}],
    "command": "snakemake --cores all",
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
        if tag not in ("meta", "link", "input", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    folder, files = tmp_path_factory.mktemp("statistics"), {}
    for method, wrong in (("baseline", 0.3), ("aslp_mc", 0.15)):
        for number, part in enumerate(PARTS):
            rng = np.random.default_rng(number)
            truth = (rng.random((2, 16, 16)) < (0 if part == "textures" else 0.4)).astype(np.uint8)
            flipped = truth ^ (rng.random(truth.shape) < wrong)
            probability = np.where(flipped, 0.9, 0.1).astype(np.float32)
            statistic = Statistic.empty()
            for k in range(2):
                statistic.add(probability[k], truth[k], str(k))
            files[method, 0, part] = folder / f"{method}-{number}.npz"
            statistic.save(files[method, 0, part], {})
    return Results("tiny & <i>small</i>", files, PARTS, bins=10, epochs=3, labels={"aslp_mc": "ASLP_<MC>"})


@pytest.fixture(scope="module")
def figures(results, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    table = pd.DataFrame({"id": ["s/1", "s/2"], "1": [0.0, 0.0], "2": [0.1, 0.2]})
    table.to_csv(folder.parent / "alpha.csv", index=False)
    facts = Facts(results.methods, PARTS, learned=["aslp_mc"], labels=results.labels)
    write_figures(results, facts, Sources(alphas={("aslp_mc", 0): folder.parent / "alpha.csv"}), folder)
    return folder


@pytest.fixture(scope="module")
def tables(results, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_tables(results, folder, folder / "metrics.json")
    return folder


@pytest.fixture(scope="module")
def catalogue(results) -> list[Picture]:
    return pictures(Facts(results.methods, PARTS, learned=["aslp_mc"], labels=results.labels))


@pytest.fixture(scope="module")
def claims(results) -> dict:
    return judged(View(results, {"baseline": Role("baseline"), "aslp_mc": Role("aslp_mc")}, sample(results)))


@pytest.fixture(scope="module")
def html(results, tables, catalogue, figures, claims, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(results, tables, catalogue, figures, path, **ABOUT, claims=claims)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_may_load_nothing(html, page):
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    links = [v for _, attributes in page.tags for k, v in attributes.items() if k in ("src", "href", "xlink:href")]
    links += re.findall(r"url\(([^)]*)\)", html[: html.index("<script")])
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)


def test_the_gallery_holds_the_catalogue(page, catalogue):
    shown = [picture for picture in catalogue if picture.kind != "reliability"]
    drawn = [a for tag, a in page.tags if tag == "svg" and "viewbox" in a]
    drawn += [a for tag, a in page.tags if tag == "img"]
    assert len(drawn) == len(shown)
    assert all(picture.caption in page.text for picture in shown)
    assert sorted(a.get("aria-label") or a["alt"] for a in drawn) == sorted(picture.caption for picture in shown)


def test_a_large_drawing_is_an_image(tmp_path):
    picture = Picture("alpha-x", "alpha", "x", "What it shows")
    (tmp_path / "alpha-x.png").write_bytes(b"PNG")
    for size, wanted in ((LARGEST_SVG - 100, "<svg"), (LARGEST_SVG + 1, "<img")):
        (tmp_path / "alpha-x.svg").write_text(f'<svg viewBox="0 0 1 1"><path d="{"M" * size}"/></svg>')
        (section,) = gallery([picture], tmp_path)
        assert section["figures"][0]["html"].startswith(wanted)


def test_ids_are_unique_and_references_lead_somewhere(html, page):
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert max(ids.values()) == 1
    aimed = {value[1:] for _, a in page.tags for key, value in a.items() if key == "href" and value.startswith("#")}
    aimed |= set(re.findall(r"url\(#([^)]*)\)", html[: html.index("<script")]))
    aimed |= {a[key] for _, a in page.tags for key in ("aria-labelledby", "data-copy") if key in a}
    assert aimed <= set(ids)


def test_names_and_values_are_text_and_never_markup(page):
    for name in (
        ODD,
        "tiny & <i>small</i>",
        "ASLP_<MC>",
        "</pre><script>alert(1)</script> & more",
        "<2 cores> & no GPU",
    ):
        assert name in page.text, name
    assert not {"i"} & {tag for tag, _ in page.tags}
    assert sum(tag == "script" for tag, _ in page.tags) == 1 + len(SCRIPTS)
    assert page.open == []


def test_tables_hold_the_numbers(results, page):
    numbers = read(results)
    for name, digits, factor in (("ece", 2, 100), ("accuracy", 2, 100), ("nll", 3, 1)):
        for value in numbers.table[name]:
            assert f"{factor * value:.{digits}f}" in page.text
    assert page.text.count("max F is undefined on textures") == 2


def test_shows_every_claim_with_verdict_and_evidence(claims, page):
    for claim in claims["claims"]:
        assert f"{claim['claim']} {claim['text']}" in page.text
        assert claim["rule"] in page.text
        for facts in claim["protocols"].values():
            assert f"{facts['verdict']} " in page.text
            assert facts["why"] in page.text
            assert all(item["printed"] in page.text for item in facts["evidence"])
    assert page.text.index("The paper's claims") < page.text.index("Calibration and accuracy, raw")


def test_same_input_same_bytes(results, tables, catalogue, figures, claims, html, tmp_path):
    write_report(results, tables, catalogue, figures, tmp_path / "report.html", **ABOUT, claims=claims)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html


def test_what_is_not_known_is_left_out(results, tables, figures, tmp_path):
    write_report(results, tables, [], figures, tmp_path / "report.html")
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "Parameters" not in text
    assert "The paper's claims" not in text
    assert "Learned perturbation" not in text


def test_a_missing_figure_is_named(results, tables, figures, tmp_path):
    lost = Picture("alpha-slp", "alpha", "slp", "α of slp")
    with pytest.raises(UserError, match=r"alpha-slp\.svg"):
        write_report(results, tables, [lost], figures, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def made_up(ece: dict[str, float], accuracy: dict[str, float], seeds=(0,), **more) -> tuple[Results, Numbers]:
    """Results whose table says the given things, on one in-distribution set and one of textures."""
    rows = [
        {"protocol": protocol, "part": part, "role": role, "method": method, "seed": seed, "images": 1, "pixels": 1}
        | {"ece": ece[method], "oe": 0.01, "accuracy": accuracy[method]}
        for protocol in ("raw", "stretched")
        for part, role in (("set", "id"), ("textures", "ood"))
        for method in ece
        for seed in seeds
    ]
    files = {(row["method"], row["seed"], row["part"]): Path("nowhere") for row in rows}
    labels = {"baseline": "Baseline"}
    return Results("x", files, {"set": "id", "textures": "ood"}, 10, 1, labels, **more), Numbers(pd.DataFrame(rows), {})


def test_lowest_is_the_lowest():
    found = made_up({"baseline": 0.04, "slp": 0.02, "aslp": 0.03}, {"baseline": 0.9, "slp": 0.88, "aslp": 0.9})
    text = summary.lowest(*found, "raw", "set").replace("\u00a0", " ")
    assert text == (
        "slp has the lowest ECE, 2.00 % (OE 1.00 %); Baseline has 4.00 % (OE 1.00 %). "
        "Accuracy 88.00 %, with Baseline 90.00 %."
    )


def test_the_baseline_may_win():
    text = summary.lowest(*made_up({"baseline": 0.01, "slp": 0.02}, {"baseline": 0.9, "slp": 0.9}), "raw", "set")
    assert text.startswith("Baseline has the lowest ECE, 1.00")
    assert "next is slp, 2.00" in text


def test_equal_in_print_is_a_tie():
    text = summary.lowest(
        *made_up({"baseline": 0.04, "slp": 0.020001, "aslp": 0.02}, dict.fromkeys(("baseline", "slp", "aslp"), 0.9)),
        "raw",
        "set",
    )
    assert text.startswith("slp and aslp share the lowest ECE")


def test_without_a_baseline_nothing_is_compared_with_it():
    found = made_up({"slp": 0.1}, {"slp": 0.9})
    assert "Baseline" not in summary.lowest(*found, "raw", "set")


@pytest.mark.parametrize(("seeds", "words"), [((0,), "trained once"), ((0, 1), "means over 2 seeds")])
def test_says_what_the_numbers_cannot_tell(seeds, words):
    results, _ = made_up({"baseline": 0.1}, {"baseline": 0.9}, seeds)
    text = " ".join(summary.reading(results))
    assert words in text
    assert "of the images alone" in text
    assert not summary.caution(results)


def test_generated_images_decide_no_claim():
    results, _ = made_up({"baseline": 0.1}, {"baseline": 0.9}, synthetic=True)
    assert "decide no claim" in " ".join(summary.caution(results))
