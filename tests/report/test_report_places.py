"""The page shows each number under its own protocol, role and data set: none of them are alike here."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from itertools import product

import numpy as np
import pytest
from made_page import page_of
from made_results import HandMade, by_hand

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.report import page
from pipeline_src.report.comparison import RANKING
from pipeline_src.text_tables import Group, Table

PARTS = {"textures": "ood", "set": "id", "set: more": "shifted"}
METHODS = ("baseline", "slp", "mc")
ECE = {  # in %, of the methods in their order
    ("raw", "set"): (4.1, 2.1, 3.1),
    ("raw", "set: more"): (5.1, 6.1, 7.1),
    ("raw", "textures"): (9.1, 8.1, 7.6),
    ("stretched", "set"): (4.2, 3.2, 2.2),
    ("stretched", "set: more"): (5.2, 6.2, 7.2),
    ("stretched", "textures"): (9.2, 8.2, 7.7),
}
BEST = {"raw": "slp", "stretched": "mc"}


class Undrawn:
    """In the place of the gallery."""

    def __init__(self, facts, folder):
        pass

    def sections(self):
        return []

    def glyphs(self):
        return ""

    def diagrams(self, methods, part, protocol):
        return [f"{methods} on {part}, {protocol}"]


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> str:
    folder, measured = tmp_path_factory.mktemp("report"), {}
    for (protocol, part), errors in ECE.items():
        for method, ece in zip(METHODS, errors, strict=True):
            points = {
                "ece": ece / 100,
                "oe": 0.01,
                "accuracy": 0.9,
                "brier": ece / 50,
                RANKING: 0.01,
                "mcb": 0,
                "dsc": 0,
            }
            one = by_hand({name: [value] for name, value in points.items()}, np.array([-0.001, 0, 0.001]))
            measured[protocol, part, method] = one
    facts = Facts("places", {name: MethodFacts(name) for name in METHODS}, PARTS)
    groups = [Group(f"{part}: 100 images", [[method, "1"] for method in METHODS]) for part in [*PARTS, "sets"]]
    groups += [Group(f"FNR ≤ 10 %, {part}: 100 images", [["slp − baseline", "1"]]) for part in PARTS]
    printed = {"main": {"raw": asdict(Table("", "All.", ["", "ECE %"], groups))}}
    (folder / "printed.json").write_text(json.dumps(printed), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "Gallery", Undrawn)
        patch.setattr(page, "diagrams", lambda results: {"methods": METHODS, "bins": 10, "choices": [10]})
        html = page_of(HandMade(facts, {}, measured), folder, folder, folder)
    return html.replace("\u00a0", " ")


def printed(protocol: str, part: str, method: str) -> str:
    return f"{ECE[protocol, part][METHODS.index(method)]:.2f}"


def found(pattern: str, html: str) -> str:
    (text,) = re.findall(pattern, html, flags=re.S)
    return re.sub(r"<[^>]*>", "", text)


@pytest.mark.parametrize("protocol", BEST)
def test_what_to_use_is_of_the_protocol(html, protocol):
    use = found(f'<p class="use" data-protocol="{protocol}">(.*?)</p>', html)
    assert f"{BEST[protocol]}: its mean ECE is 2.00 percentage points" in use


@pytest.mark.parametrize("protocol", BEST)
def test_the_recommendation_is_of_the_protocol_and_each_sentence_of_its_role(html, protocol):
    block = found(f'<div data-protocol="{protocol}">\\s*<dl class="lead">(.*?)</dl>', html)
    best = BEST[protocol]
    assert f"{best} has the lowest mean ECE on set, {printed(protocol, 'set', best)} %" in block
    assert f"baseline has the lowest mean ECE on set: more, {printed(protocol, 'set: more', 'baseline')} %" in block
    outside = f"Of {best}, the recommended one, on textures its mean ECE, {printed(protocol, 'textures', best)} %"
    assert outside in block


@pytest.mark.parametrize("protocol", BEST)
def test_the_glance_has_a_column_for_each_role(html, protocol):
    table = f'aria-label="All methods, {protocol}"(.*?)</table>'
    (text,) = re.findall(table, html, flags=re.S)
    heads = [
        re.sub(r"<[^>]*>", "", head)
        for head in re.findall(r"<t[hd] ?(?:scope=\"col\"|aria-hid[^>]*)>(.*?)</t[hd]>", text)
    ]
    columns = {"ECE": "set", "ECE, shift": "set: more", "ECE, OOD": "textures"}
    assert set(columns) <= set(heads)
    for row in re.findall(r"<tr><th scope=\"row\".*?</tr>", text, flags=re.S):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.S)
        at = dict(zip(heads, (re.sub(r"<[^>]*>", "", cell) for cell in cells), strict=True))
        for column, part in columns.items():
            assert at[column].split()[0] == printed(protocol, part, at["Method"])
    sets = found("<caption>(.*?)</caption>", text)
    assert (
        "In distribution: set. Under shift, with no say in the order: set: more. Out of distribution (OOD): textures."
        in sets
    )


@pytest.mark.parametrize(("protocol", "part"), [*product(BEST, PARTS)])
def test_a_card_has_the_numbers_of_its_set_in_both_protocols(html, protocol, part):
    card = f'<li class="card {PARTS[part]}">\\s*<h4>{part}</h4>(?:(?!</li>).)*<p data-protocol="{protocol}">(.*?)</p>'
    errors = dict(zip(METHODS, ECE[protocol, part], strict=True))
    first = min(errors, key=errors.get)
    assert f"{first} has the lowest ECE, {errors[first]:.2f} %" in found(card, html)


def test_a_table_belongs_to_the_set_of_its_heading_though_a_name_begins_with_another(html):
    assert "sets: 100 images" in html  # which is none of them
    bodies = re.findall(r'<tbody data-part="([^"]*)">\s*<tr class="group"><th[^>]*><span>(.*?)</span>', html)
    assert bodies == [(part, f"{before}{part}: 100 images") for before in ("", "FNR ≤ 10 %, ") for part in PARTS]


def test_a_row_of_a_difference_is_filtered_by_both_its_methods(html):
    assert html.count('data-method="slp − baseline"') == len(PARTS)


def test_the_first_diagrams_are_of_the_baseline_and_the_recommended_method_in_distribution(html):
    assert f"{['baseline', 'slp']} on set, raw" in html.replace("&#39;", "'")
