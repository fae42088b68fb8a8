"""The report in a real browser: it loads nothing, its controls work, and everybody can use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from made_figures import make_facts, maps
from made_page import page_of
from made_results import analysed

from pipeline_src.analysis.facts import Facts
from pipeline_src.figures import style
from pipeline_src.figures.registry import pictures
from pipeline_src.tables.write import write_tables

pytestmark = pytest.mark.slow  # a browser takes a second and more for each

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The folder of a report, with its tables; one drawing stands for all figures."""
    folder = tmp_path_factory.mktemp("results")
    facts = Facts("made", make_facts().methods, {"val": "val", "scenes": "id", "textures": "ood"})
    made = analysed(folder, facts, maps)
    write_tables(made, folder / "tables")
    with style.house():
        style.save(style.new_figure(1, "Drawn", [])[0], folder / "figures/drawn", [".png"])
    for picture in pictures(facts):
        (folder / f"figures/{picture.name}.png").hardlink_to(folder / "figures/drawn.png")
    page_of(made, folder / "figures", folder)
    return folder


def opened(browser, results: Path, **options):
    """The page in a context of its own; `complaints` and `requests` gather what happens."""
    page = browser.new_context(**{"viewport": DESKTOP, **options}).new_page()
    page.set_default_timeout(20_000)
    page.complaints, page.requests = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto((results / "report.html").as_uri())
    return page


@pytest.fixture
def page(browser, results) -> Iterator:
    page = opened(browser, results)
    yield page
    page.context.close()


def open_all(page) -> None:
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")


def rows(page, table: str) -> list[list[str]]:
    return page.eval_on_selector_all(
        f"{table} tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    )


def test_opens_from_a_file_without_errors_and_loads_nothing(page, results):
    page.wait_for_selector("#chart [aria-label^='Accuracy against confidence']")
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [(results / "report.html").as_uri()]
    assert page.locator("header .use:visible").bounding_box()["y"] < DESKTOP["height"] / 2


@pytest.mark.parametrize("protocol", ["raw", "stretched"])
def test_the_diagram_has_the_numbers_of_the_table(page, results, protocol):
    numbers = pd.read_csv(results / "tables/main.csv").groupby(["protocol", "part", "method"]).mean(numeric_only=True)
    page.check(f"#protocol-{protocol}", force=True)
    for part in numbers.index.unique("part"):
        page.select_option("#choose [name=set]", part)
        shown = {row[0]: row[1:] for row in rows(page, "#readout")}
        assert set(shown) == set(numbers.index.unique("method"))
        for method, texts in shown.items():
            row = numbers.loc[(protocol, part, method)]
            assert texts[:3] == [f"{100 * row[name]:.2f}" for name in ("ece", "oe", "accuracy")]


def test_the_diagonal_has_45_degrees_and_a_method_keeps_its_color(page):
    ends = page.locator("#chart [stroke-dasharray='5 3']").first.bounding_box()
    assert ends["width"] == pytest.approx(ends["height"], abs=1)
    strokes = "all => all.map(e => e.querySelector('path').getAttribute('stroke'))"
    assert page.locator("#readout .swatch").evaluate_all(strokes) == ["var(--c1)", "var(--c4)"]


def test_min_max_results_stay_behind_their_switch(page):
    open_all(page)
    for protocol, other in (("raw", "stretched"), ("stretched", "raw")):
        page.check(f"#protocol-{protocol}", force=True)
        assert page.locator(f"[data-protocol={protocol}]:visible").count() > 3
        assert page.locator(f"[data-protocol={other}]:visible").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_violation_of_accessibility(browser, results, scheme):
    page = opened(browser, results, color_scheme=scheme)
    open_all(page)
    result = axe.Axe().run(page)
    assert result.violations_count == 0, result.generate_report()
    page.context.close()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_whole_navigation_is_in_view_and_the_page_never_scrolls_sideways(browser, results, size):
    page = opened(browser, results, viewport=size)
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    edges = "all => all.map(e => e.getBoundingClientRect()).map(box => [box.left, box.right])"
    links = page.locator("nav a, nav label").evaluate_all(edges)
    assert len(links) >= 8 and all(0 <= left < right <= size["width"] for left, right in links)
    page.context.close()
