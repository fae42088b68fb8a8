"""The report: one file that needs nothing else, says what the numbers say, and takes any name."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_page import page_of
from made_results import HandMade, analysed, by_hand
from PIL import Image
from project import call
from typer.testing import CliRunner

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.cli.main import app
from pipeline_src.errors import UserError
from pipeline_src.figures import alpha, reliability, style
from pipeline_src.figures.bin_tables import isotonic_table, reliability_tables
from pipeline_src.figures.catalogue import pictures
from pipeline_src.figures.types import Picture
from pipeline_src.report import lowest, provenance, sentences
from pipeline_src.report.gallery import Gallery
from pipeline_src.report.page import HERE, SCRIPTS, _named
from pipeline_src.report.provenance import commit, made_by
from pipeline_src.steps.build import chosen
from pipeline_src.steps.report import described, fitted, own_ideas
from pipeline_src.text_tables import Group, Table
from pipeline_src.training.registry import choose

ODD = "<b>o_d&d</b></script>"
METHODS = {"ce": MethodFacts("baseline"), "aslp_<mc>": MethodFacts("aslp_mc", learns=True)}
FACTS = Facts(
    "tiny & <i>small</i>",
    METHODS,
    {"val": "val", ODD: "id", "textures": "ood"},
    epochs=3,
    captions={ODD: "Its masks are <drawn>."},
)
ABOUT = {
    "params": {"note": "</pre><script>alert(1)</script> & more"},
    "made": {"commit": "0123abc", "machine": "<2 cores> & no GPU"},
    "data": [{"part": ODD, "images": 2}, {"part": "val", "hash": "f" * 64}],
    "command": "snakemake --cores all",
}
EVIDENCE = {
    "what": "ECE of aslp_<mc> − ce",
    "sets": {ODD: 2},
    "seeds": {"0": -0.0123},
    "effect": -0.0123,
    "low": -0.02,
    "high": -0.01,
    "unit": "percentage points",
    "printed": "−1.23 [−2.00, −1.00]",
    "printed_joint": "[−2.10, −0.90]",
    "printed_seeds": "0",
    "wanted": "below 0",
    "says": "for",
}
HOLDS = {"verdict": "supported", "seeds": 2, "why": "Of 1 comparison 1 for.", "evidence": [EVIDENCE], "missing": []}
CLAIMS = {
    "experiment": FACTS.experiment,
    "synthetic": False,
    "interval": "95 %",
    "compared": ["ce"],
    "not_compared": [],
    "claims": [
        {
            "claim": "C4",
            "text": "ASLP_MC has the lowest ECE.",
            "rule": "It is below <every> other.",
            "protocols": {
                "raw": HOLDS | {"secondary": [{"what": "ASLP_CL & co", **HOLDS, "why": "It does too."}]},
                "stretched": {"verdict": "not run", "why": "Missing: a block.", "evidence": [], "secondary": []},
            },
        }
    ],
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

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)


def maps(method: str, seed: int, part: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(list(FACTS.parts).index(part))
    for _ in range(2):
        truth = (rng.random((16, 16)) < (0 if part == "textures" else 0.4)).astype(np.uint8)
        flipped = truth ^ (rng.random(truth.shape) < {"ce": 0.3, "aslp_<mc>": 0.15}[method])
        yield np.where(flipped, 0.9, 0.1).astype(np.float32), truth


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return analysed(tmp_path_factory.mktemp("analyses"), FACTS, maps)


@pytest.fixture(scope="module")
def figures(results, tmp_path_factory) -> Path:
    """The files of all figures; one drawing stands for all."""
    folder = tmp_path_factory.mktemp("figures")
    with style.house():
        curve = isotonic_table(results.measurement("raw", "ce", "val").counts)
        drawing = reliability.draw(reliability_tables(results, "val")["raw", "ce"], "Drawn", ["once"], curve)
        style.save(drawing, folder / "drawn")
    for picture in pictures(FACTS):
        for suffix in ("svg", "png"):
            (folder / f"{picture.name}.{suffix}").hardlink_to(folder / f"drawn.{suffix}")
    return folder


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    """Tables as they are printed for the report."""
    groups = [
        Group(f"{part}: 2 images", [[method, f"{k}.25 ± 0.10"] for k, method in enumerate(METHODS)])
        for part in FACTS.parts
    ]
    main = Table("tab:main", "Calibration and accuracy, raw protocol", ["", "ECE %"], groups, ["A <note>."])
    folder = tmp_path_factory.mktemp("tables")
    printed = {"main": {"raw": asdict(main)}, "T3": {"": asdict(replace(main, caption="Strengths. All.", groups=[]))}}
    (folder / "printed.json").write_text(json.dumps(printed), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def html(results, tables, figures, tmp_path_factory) -> str:
    return page_of(results, tables, figures, tmp_path_factory.mktemp("report"), claims=CLAIMS, **ABOUT)


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


def test_the_gallery_holds_the_catalogue(page):
    shown = [picture for picture in pictures(FACTS) if picture.type != reliability.FIGURE]
    opening = [p for p in pictures(FACTS) if p.type == reliability.FIGURE and (p.part, p.protocol) == (ODD, "raw")]
    assert [picture.method for picture in opening] == ["ce", "aslp_<mc>"]
    drawn = [a for tag, a in page.tags if tag == "svg" and "viewbox" in a]
    drawn += [a for tag, a in page.tags if tag == "img"]
    assert all(picture.caption in page.text for picture in shown)
    captions = [picture.caption for picture in opening + shown]
    assert sorted(a.get("aria-label") or a["alt"] for a in drawn) == sorted(captions)


def test_a_method_has_one_colour_in_figures_and_in_the_page():
    css = (HERE / "report.css").read_text(encoding="utf-8")
    colours = re.findall(r"--c\d: light-dark\((#\w+),", css)
    assert tuple(colours) == style.METHOD_COLOURS


def test_headings_count_the_figures_that_a_reader_of_one_protocol_sees(html):
    counts = re.findall(r"<summary><h3>([^<]+)</h3> <span class=\"count\">([^<]+)</span>", html)
    shown = [picture for picture in pictures(FACTS) if picture.type is not reliability.FIGURE]
    assert len(counts) == len({picture.type for picture in shown})
    for heading, text in counts:
        of = [picture for picture in shown if picture.type.heading == heading]
        one = [picture for picture in of if picture.protocol in ("", "raw")]
        assert text == (str(len(one)) if len(one) == len(of) else f"{len(one)} in each protocol")


def test_parameters_are_written_in_words():
    values = {"features": ["entropy", "area"], "shape": False, "of": None, "lr": 0.001}
    assert _named(values) == "features entropy and area, shape no, of none, lr 0.001"


def test_the_page_opens_with_its_picture(page):
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert sections[:4] == ["reliability", "summary", "methods", "claims"]
    figure = next(k for k, (tag, _) in enumerate(page.tags) if tag == "figure")
    assert [tag for tag, _ in page.tags[figure:]].index("svg") < [tag for tag, _ in page.tags[figure:]].index("table")


def test_the_page_says_what_to_use_before_its_picture_and_what_methods_are(results, tables, figures, tmp_path):
    ideas = {"ce": {"title": "Baseline", "idea": "Plain <likelihood>."}}
    page = Page(page_of(results, tables, figures, tmp_path, described=ideas, published=True, command="make it"))
    classes = [attributes.get("class", "") for _, attributes in page.tags]
    assert classes.index("use") < classes.index("diagram")
    named = [attributes["title"] for tag, attributes in page.tags if tag == "th" and "title" in attributes]
    assert len(named) > 1 and set(named) == {"Plain <likelihood>."}
    assert "baselinePlain <likelihood>." in page.text  # code and idea, in the table of methods
    assert "which are not trained again, by make it" in page.text
    assert page.text.count("Protocol") == 1


def test_what_is_said_below_the_diagram_is_of_this_experiment(page):
    """Two images and one seed: all bins with both images have whiskers."""
    assert "and of a set of fewer than that, one in which not all of them have" in page.text
    assert "of the accuracy over images or their groups; a bin" in page.text
    assert "ECE and OE are those of the tables" in page.text and "means over seeds, as" not in page.text


@pytest.mark.parametrize(("start", "never"), [(2, False), (3, True), (100_000, True)])
def test_a_block_that_perturbs_in_no_epoch_is_described_so(start, never):
    methods = {"control": MethodFacts("aslp_groups", {"start_epoch": start})}
    of = described(replace(FACTS, methods=methods))["control"]  # of three epochs
    assert ("no label is perturbed" in of["idea"]) == ("without perturbation" in of["title"]) == never


@pytest.mark.parametrize(
    ("docstring", "idea"),
    [
        ('"""Less sure\n    of edges.\n\n    More."""', "Less sure of edges."),
        ('"""M.\n\n    Idea: Surer."""', "Surer."),
        ("", ""),
    ],
)
def test_a_method_of_the_users_is_described_by_its_docstring(tmp_path, docstring, idea):
    text = f"from pipeline_src.training.method import Method\n\nclass Mine(Method):\n    {docstring}\n    pass\n"
    (tmp_path / "mine.py").write_text(text)
    methods = {"mine": choose("mine", {"file": str(tmp_path / "mine.py")}), "baseline": choose("baseline", {})}
    ideas = own_ideas(SimpleNamespace(methods=methods))
    of = described(replace(FACTS, methods={"mine": MethodFacts(), "baseline": MethodFacts("baseline")}), ideas)
    assert of.get("mine", {}).get("idea", "") == idea and of["baseline"]["idea"]


def test_an_empty_table_has_no_frame(page):
    assert not any("Strengths. All." in attributes.get("aria-label", "") for _, attributes in page.tags)


def test_a_large_drawing_is_an_image(tmp_path):
    picture = Picture(alpha.FIGURE, ("x",), "x", "What it shows")
    Image.new("L", (12, 7)).save(tmp_path / "alpha-x.png")
    for size, wanted in ((style.LARGEST_SVG - 100, "<svg"), (style.LARGEST_SVG + 1, "<img")):
        (tmp_path / "alpha-x.svg").write_text(f'<svg viewBox="0 0 1 1"><path d="{"M" * size}"/></svg>')
        drawn = Gallery(FACTS, tmp_path).html(picture)
        assert drawn.startswith(wanted)
    assert 'width="12" height="7"' in drawn


def test_ids_are_unique_and_references_lead_somewhere(html, page):
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert max(ids.values()) == 1
    aimed = {value[1:] for _, a in page.tags for key, value in a.items() if key == "href" and value.startswith("#")}
    aimed |= set(re.findall(r"url\(#([^)]*)\)", html[: html.index("<script")]))
    aimed |= {a[key] for _, a in page.tags for key in ("aria-labelledby", "data-copy") if key in a}
    assert aimed <= set(ids)


def test_no_figure_has_the_letters_of_others(html):
    """It could be hidden or taken out of the page."""
    figures, shared = html.rsplit('<svg width="0"', 1)
    assert '<path id="FigureSans-' in shared and '<path id="FigureSans-' not in figures


def test_names_and_values_are_text_and_never_markup(page):
    for name in (
        ODD,
        "tiny & <i>small</i>",
        "aslp_<mc>",
        "</pre><script>alert(1)</script> & more",
        "<2 cores> & no GPU",
        "Its masks are <drawn>.",
        "It is below <every> other.",
    ):
        assert name in page.text, name
    assert not {"i"} & {tag for tag, _ in page.tags}
    assert sum(tag == "script" for tag, _ in page.tags) == 1 + len(SCRIPTS)
    assert page.open == []


def test_holds_the_tables_and_what_filters_them(html, page):
    assert re.search("ECE % .*0.25 ± 0.10.*1.25 ± 0.10.*A <note>", page.text)
    assert {attributes["data-part"] for tag, attributes in page.tags if "data-part" in attributes} == set(FACTS.parts)
    assert html.count('data-method="aslp_&lt;mc&gt;"') == len(FACTS.parts)


def test_shows_every_claim_with_verdict_and_evidence(page):
    assert "C4 ASLP_MC has the lowest ECE." in page.text
    for text in ("supported raw Of 1 comparison", "not run stretched Missing: a block.", EVIDENCE["printed"]):
        assert text in page.text
    assert "which do not count for the verdict: ASLP_CL & co: supported. It does too." in page.text


def test_same_input_same_bytes(results, tables, figures, html, tmp_path):
    assert page_of(results, tables, figures, tmp_path, claims=CLAIMS, **ABOUT) == html


def test_where_no_claim_was_judged_there_is_no_section_of_them(results, tables, figures, html, tmp_path):
    title = "The paper's claims"
    assert title in Page(html).text and title not in Page(page_of(results, tables, figures, tmp_path)).text


def test_what_several_classes_do_not_have_is_left_out(results, tables, figures, html, tmp_path):
    """The parts of the Brier score."""
    several = replace(FACTS, class_names=("a", "b", "c"))
    for picture in pictures(several):
        for suffix in ("svg", "png"):
            (tmp_path / f"{picture.name}.{suffix}").hardlink_to(figures / f"drawn.{suffix}")
    text = page_of(replace(results, facts=several), tables, tmp_path, tmp_path)
    for words in ("Miscalib. (CORP)", "by the CORP decomposition", "MCB and DSC in tables"):
        assert words in html and words not in text


def test_what_was_trained_on_what_stands_at_the_top(results, tables, figures, tmp_path):
    params = {"model": {"config": "unet<s>"}, "image_size": 96, "data": {"train": {"set": "DUTS-TR"}}}
    known = {"params": params, "data": [{"part": "train", "images": 1500}], "task": "salient objects"}
    text = Page(page_of(results, tables, figures, tmp_path, **known)).text
    about = "salient objects · unet<s>, 96 px · 1,500 training images of DUTS-TR · 2 methods · 2 test sets · 3 epochs"
    assert about in text


def test_claims_that_were_not_run_take_one_line(results, tables, figures, tmp_path):
    absent = {"verdict": "not run", "why": "Missing: a block.", "evidence": [], "secondary": [], "seeds": 0}
    more = [{"claim": name, "text": "T", "rule": "R", "protocols": {"raw": absent}} for name in ("C7", "C8")]
    claims = CLAIMS | {"claims": [*CLAIMS["claims"], *more]}
    html = page_of(results, tables, figures, tmp_path, claims=claims)
    shown, folded = html.split("<summary>Not run here: C7, C8</summary>")
    assert "<h3>C7" in folded and "<h3>C7" not in shown and CLAIMS["claims"][0]["text"] not in folded.split("</ul>")[0]


def test_shows_what_methods_were_given_and_what_was_fitted(results, tables, figures, tmp_path):
    """And the models that were judged from saved maps, where there are any."""
    methods = {"ce": MethodFacts("baseline"), "aslp_<mc>": MethodFacts("", {"beta": 1.0, "rule": "<b>"}, learns=True)}
    told = replace(results, facts=replace(FACTS, methods=methods))
    groups = [Group("X", [["U<2>Net", "3.21"]])]
    judged = {"raw": Table("tab:T8", "Other people's models, raw protocol", ["", "ECE %"], groups)}
    fits = {("aslp_<mc>", 0): {"temperature": 1.23456789, "sampled": 100}}
    for more, shown in (({"fitted": fits, "judged": judged}, True), ({}, False)):
        text = Page(page_of(told, tables, figures, tmp_path, **more)).text
        assert "a file of the user'sbeta 1, rule <b>" in text
        for words in ("temperature 1.23457, sampled 100", "T8 Other people's models", "U<2>Net3.21"):
            assert (words in text) == shown, words


def test_the_job_knows_fits_and_judged_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(app, ["init", "."])
    plain = chosen().job("report")
    assert not any(role.startswith("judged/") for role in plain.other_files)
    file = Path("results/judged/SET/MODEL/metrics.json")
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    job = chosen().job("report")
    assert job.other_files["judged/SET/MODEL/metrics.json"] == file and job.contract != plain.contract
    run = job.inputs["train/temperature/seed0"].paths[0]
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps({"fitted": {"temperature": 1.5}}))
    assert fitted(job) == {("temperature", 0): {"temperature": 1.5}}


def test_a_missing_figure_is_named(results, tables, tmp_path):
    with pytest.raises(UserError, match=r"reliability-raw-ce-.*\.svg"):
        page_of(results, tables, tmp_path, tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_the_baseline_is_known_by_its_code(results, page):
    words = page.text.replace("\u00a0", " ")
    assert "has a significantly lower mean ECE than ce" in words  # two images
    assert "not significantly higher: ce (" in words
    on_set = lowest.on_set(results, "raw", ODD)
    assert "aslp_<mc> has the lowest ECE" in on_set and ", not significantly below " in on_set
    assert "; ce has " in on_set


def test_versions_and_machine_are_known(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "pipeline_src")  # in no repository
    known = made_by(training_seconds=90)
    assert known["training, all runs"] == "1.5 min"
    assert {"written", "python", "numpy", "machine"} <= set(known)
    assert "commit" not in known


def test_a_commit_is_dirty_where_code_is(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "pipeline_src")
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


def made_up(ece: dict[str, float], accuracy: dict[str, float]) -> Results:
    """Results that say the given things, on one in-distribution set."""
    facts = Facts("x", {name: MethodFacts(name) for name in ece}, {"set": "id"})
    points = {name: {"ece": [ece[name]], "oe": [0.01], "accuracy": [accuracy[name]]} for name in ece}
    return HandMade(facts, {}, {("raw", "set", name): by_hand(of, np.zeros(2)) for name, of in points.items()})


def test_lowest_is_the_lowest():
    results = made_up({"baseline": 0.04, "slp": 0.02, "aslp": 0.03}, {"baseline": 0.9, "slp": 0.88, "aslp": 0.9})
    assert lowest.on_set(results, "raw", "set").replace("\u00a0", " ") == (
        "slp has the lowest ECE, 2.00 % (OE 1.00 %); baseline has 4.00 % (OE 1.00 %). "
        "Accuracy 88.00 %, with baseline 90.00 %."
    )


def test_the_baseline_may_win():
    text = lowest.on_set(made_up({"baseline": 0.01, "slp": 0.02}, {"baseline": 0.9, "slp": 0.9}), "raw", "set")
    assert text.startswith("baseline has the lowest ECE, 1.00")
    assert "next is slp, 2.00" in text


def test_equal_in_print_is_a_tie():
    ece = {"baseline": 0.04, "slp": 0.020001, "aslp": 0.02}
    text = lowest.on_set(made_up(ece, dict.fromkeys(ece, 0.9)), "raw", "set")
    assert text.startswith("slp (OE 1.00\u00a0%) and aslp (OE 1.00\u00a0%) share the lowest ECE, 2.00\u00a0%; baseline")
    text = lowest.on_set(made_up(ece, {"baseline": 0.9, "slp": 0.88, "aslp": 0.91}), "raw", "set")
    assert text.endswith("88.00\u00a0% and 91.00\u00a0% in this order, with baseline 90.00\u00a0%.")


def test_without_a_baseline_nothing_is_compared_with_it():
    results = made_up({"slp": 0.1, "aslp": 0.2}, {"slp": 0.9, "aslp": 0.9})
    assert lowest.on_set(results, "raw", "set").endswith("next is aslp, 20.00\u00a0% (OE 1.00\u00a0%).")


@pytest.mark.parametrize(("seeds", "words"), [((0,), "trained once"), ((0, 1), "means over 2 seeds")])
def test_says_what_the_numbers_cannot_tell(seeds, words):
    text = " ".join(sentences.reading(replace(FACTS, seeds=seeds)))
    assert words in text
    assert ("of the images alone" in text) == (len(seeds) == 1) == ("spread over seeds" not in text)


def test_what_must_be_known_comes_first():
    results = made_up({"baseline": 0.04, "slp": 0.02}, {"baseline": 0.9, "slp": 0.9})
    assert not sentences.caution(results)
    (generated,) = sentences.caution(replace(results, facts=replace(results.facts, synthetic=True)))
    assert "decide no claim" in generated
    few = {key: replace(one, units=9) for key, one in results.measurements.items()}
    (rough,) = sentences.caution(replace(results, measurements=few))
    assert rough.startswith("set has 9 images.") and "decides no claim" in rough


def test_below_the_noise_floor_nothing_is_ranked():
    results = made_up({"baseline": 0.01, "slp": 0.02, "aslp": 0.005}, dict.fromkeys(("baseline", "slp", "aslp"), 0.9))
    floors = {
        key: replace(one, points=one.points | {"ece_floor": np.array([0.015])})
        for key, one in results.measurements.items()
    }
    text = lowest.on_set(replace(results, measurements=floors), "raw", "set").replace("\u00a0", " ")
    assert text == (
        "baseline with 1.00 % (OE 1.00 %) and aslp with 0.50 % (OE 1.00 %) are below the noise floor (1.50 %), where a "
        "network without calibration error would be; methods there are not ranked."
    )


def test_validation_images_are_said_to_be_fitted_to():
    results = made_up({"baseline": 0.04, "slp": 0.02}, {"baseline": 0.9, "slp": 0.9})
    on_val = replace(results, facts=replace(results.facts, parts={"set": "val"}))
    assert lowest.on_set(on_val, "raw", "set") == f"{lowest.on_set(results, 'raw', 'set')} {lowest.FITTED}"
