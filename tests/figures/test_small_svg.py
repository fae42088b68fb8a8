"""Saved drawings are smaller than matplotlib's SVG, and the same to the eye."""

from __future__ import annotations

import re
from io import StringIO
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from pipeline_src.figures import style
from pipeline_src.figures.small_svg import smaller

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
EMPTY = "{http://www.w3.org/2000/svg}g"


@pytest.fixture(scope="module")
def written() -> str:
    """By matplotlib: text, lines, markers, hatches, a clip path, and an image with factors of its own."""
    text = StringIO()
    with style.house():
        figure, _ = style.new_figure(2, "A heading", ["0.123456 in words"])
        axes = style.place(figure, 0.4, 0.6, 2.9, 1.6)
        axes.plot([0.1 / 3, 0.7, 2 / 3], [0.123456, 1 / 3, -2e-5], marker="o", linestyle="--")
        axes.bar([0.3], [0.2], 0.1, hatch="///", edgecolor=style.OVER)
        axes.imshow([[0, 1], [1, 0]], extent=(0, 1 / 3, 0, 1 / 7), aspect="auto")
        figure.savefig(text, format="svg")
    return text.getvalue()


def drawn(svg: str) -> list[tuple[str, dict[str, str]]]:
    """All elements with their attributes but names of groups, without empty groups."""
    elements = [(e.tag, dict(e.attrib), len(e)) for e in ElementTree.fromstring(svg).iter()]
    kept = [(tag, attributes) for tag, attributes, children in elements if tag != EMPTY or children]
    return [(tag, {k: v for k, v in attributes.items() if tag != EMPTY or k != "id"}) for tag, attributes in kept]


def place(attributes: dict[str, str]) -> dict[str, str]:
    """`x` of a letter as the translation that it stands for."""
    if re.fullmatch(r"translate\(\S+ 0\)", attributes.get("transform", "")) and "x" not in attributes:
        x = attributes["transform"].removeprefix("translate(").removesuffix(" 0)")
        return {key: value for key, value in attributes.items() if key != "transform"} | {"x": x}
    return attributes


def test_nothing_moves_by_more_than_a_hundredth_of_a_point(written):
    before, after = drawn(written), drawn(smaller(written))
    assert [tag for tag, _ in before] == [tag for tag, _ in after]
    for (tag, one), (_, other) in zip(before, after, strict=True):
        one = place(one)
        assert one.keys() == other.keys()
        for key in one:
            if key.endswith("href") or key == "id":
                assert one[key] == other[key]
                continue
            assert re.sub(r"\s", "", NUMBER.sub("", one[key])) == re.sub(r"\s", "", NUMBER.sub("", other[key])), tag
            numbers = [[*map(float, NUMBER.findall(value))] for value in (one[key], other[key])]
            assert numbers[0] == pytest.approx(numbers[1], abs=0.00501)


def test_factors_stay_as_they_are(written):
    factors = re.compile(r"scale\([^)]*\)")
    assert "scale(0.015625)" in written
    assert factors.findall(written) == factors.findall(smaller(written))


def test_it_is_a_fifth_smaller(written):
    assert len(smaller(written)) < 0.8 * len(written)


def test_saved_drawings_are_small(tmp_path):
    with style.house():
        style.save(Figure((2, 2)), tmp_path / "made")
    svg = (tmp_path / "made.svg").read_text(encoding="utf-8")
    assert smaller(svg) == svg and '<g id="' not in svg
