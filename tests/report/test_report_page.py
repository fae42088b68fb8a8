"""The report of a finished run in a real browser: it needs nothing, its controls work, and everybody can use it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.counting.map_counts import MapCounts

pytestmark = pytest.mark.slow  # a browser takes a second and more for each

playwright = pytest.importorskip("playwright.sync_api", reason="playwright (of the extra `test`) is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
CHROMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, CHROMES)), None)
    if not program:
        pytest.skip(f"no browser here: none of {', '.join(CHROMES)}")
    with playwright.sync_playwright() as engine:
        options = ["--no-sandbox"] if os.getuid() == 0 else []
        yield engine.chromium.launch(executable_path=program, args=options)


@pytest.fixture(scope="module")
def results(finished) -> Path:
    return finished / "results/tiny"


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


@pytest.fixture(scope="module")
def numbers(results) -> pd.DataFrame:
    return pd.read_csv(results / "tables/main.csv").groupby(["protocol", "part", "method"]).mean(numeric_only=True)


def open_all(page) -> None:
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")


def rows(page, table: str) -> list[list[str]]:
    return page.eval_on_selector_all(
        f"{table} tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    )


def test_opens_from_a_file_without_errors_and_loads_nothing(page, results):
    page.wait_for_selector("#chart [aria-label^='Accuracy against confidence']")
    assert page.locator(".still").count() == 0
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [(results / "report.html").as_uri()]


def test_the_page_begins_with_its_picture(page):
    assert page.locator("main > section").first.get_attribute("id") == "reliability"
    box = page.locator("#chart").bounding_box()
    assert box["y"] + 0.7 * box["height"] <= DESKTOP["height"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_diagram_has_the_numbers_of_the_table(page, numbers, protocol):
    page.check(f"#protocol-{protocol}", force=True)
    for method in numbers.index.unique("method"):
        page.check(f"#choose [value={method}]", force=True)
    for part in numbers.index.unique("part"):
        page.select_option("#choose [name=set]", part)
        shown = {row[0]: row[1:] for row in rows(page, "#readout")}
        assert set(shown) == set(numbers.index.unique("method"))
        for method, texts in shown.items():
            row = numbers.loc[(protocol, part, method)]
            assert texts[:3] == [f"{100 * row[name]:.2f}" for name in ("ece", "oe", "accuracy")]


@pytest.mark.parametrize("bins", [5, 10, 30])
def test_the_bins_are_those_of_the_statistic(page, results, bins):
    """Counted again from the levels of the file, by numpy."""
    page.select_option("#choose [name=bins]", str(bins))
    page.select_option("#choose [name=set]", "scenes")
    page.uncheck("#choose [value=aslp_mc]", force=True)
    counts = MapCounts.load(results / "statistics/baseline/seed0/scenes.npz")[0].raw
    pixels = counts.count.sum(axis=(1, 2))[::-1]  # by confidence, ascending from 0.5
    hits = (counts.count[:, 0, 0] + counts.count[:, 1, 1])[::-1]
    levels = 2 * (len(pixels) - 1)
    place = -(-(np.arange(len(pixels)) + levels // 2) * bins // levels) - 1  # right-closed bins
    wanted = [
        (f"{pixels[place == k].sum():,}", f"{100 * hits[place == k].sum() / pixels[place == k].sum():.2f}")
        for k in range(bins)
        if pixels[place == k].sum()
    ]
    assert [(row[2], row[5]) for row in rows(page, "#bins")] == wanted
    assert all(re.fullmatch(r"−?\d+\.\d\d", row[7]) for row in rows(page, "#bins"))
    assert page.locator("#chart .points > *").count() == len(wanted)


@pytest.mark.parametrize("part", ["scenes", "textures"])
def test_whiskers_are_the_intervals_of_the_figures(page, results, part):
    page.select_option("#choose [name=set]", part)
    page.uncheck("#choose [value=aslp_mc]", force=True)
    bins = pd.read_csv(results / f"figures/reliability-raw-baseline-{part}.csv", dtype={"bin": str})
    bins = bins[(bins["bin"] != "all") & (bins["pixels"] > 0)]
    wanted = [(100 * row.low, 100 * row.high) if row.low == row.low else () for row in bins.itertuples()]
    shown = [tuple(map(float, re.findall(r"[\d.]+", row[6]))) for row in rows(page, "#bins")]
    assert len(shown) == len(wanted)
    for one, other in zip(shown, wanted, strict=True):
        assert one == pytest.approx(other, abs=0.0051)
    known = sum(bool(ends) for ends in wanted)
    assert page.locator("#chart .whiskers line").count() == known > 0
    page.select_option("#choose [name=bins]", "20")
    assert page.locator("#chart .whiskers line").count() == 0  # they are known for the experiment's own bins


def test_a_method_keeps_its_colour_whatever_else_is_chosen(browser, results, tmp_path):
    html = (results / "report.html").read_text(encoding="utf-8")
    methods = '"methods": ["baseline", "aslp_mc"]'
    assert methods in html
    (tmp_path / "report.html").write_text(html.replace(methods, methods.replace("[", '["not chosen", ')), "utf-8")
    page = opened(browser, tmp_path)
    for method in ("baseline", "aslp_mc"):
        page.check(f"#choose [value={method}]", force=True)
    looks = page.locator("#readout .swatch").evaluate_all(
        "all => all.map(e => e.querySelector('path').getAttribute('stroke'))"
    )
    assert looks == ["var(--c2)", "var(--c3)"]
    page.context.close()


def test_choosing_changes_the_diagram(page):
    seen = []
    for change in (
        lambda: page.check("#choose [value=aslp_mc]", force=True),
        lambda: page.select_option("#choose [name=bins]", "20"),
        lambda: page.select_option("#choose [name=set]", "textures"),
        lambda: page.uncheck("#choose [value=aslp_mc]", force=True),
        lambda: page.check("#protocol-stretched", force=True),
    ):
        change()
        seen.append((page.inner_html("#chart"), page.inner_text("#drawn")))
    assert len(set(seen)) == len(seen)
    assert seen[-1][1] == "baseline on textures, stretched protocol, 20 bins."
    page.uncheck("#choose [value=baseline]", force=True)
    assert "Choose a method" in page.inner_text("#drawn")
    assert page.complaints == []


def test_a_bin_shows_its_numbers_on_hover_and_to_the_keyboard(page):
    page.uncheck("#choose [value=aslp_mc]", force=True)
    first, *_, last = page.locator("#chart .points > *").all()
    last.scroll_into_view_if_needed()
    box = last.bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    assert page.inner_text("#tip").split("\n")[0] == last.get_attribute("aria-label").split("; ")[0]
    page.mouse.move(5, 5)
    assert page.is_hidden("#tip")
    first.focus()
    assert page.inner_text("#tip").replace("\n", "; ") == first.get_attribute("aria-label")
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == last.get_attribute("aria-label")
    page.keyboard.press("Escape")
    assert page.is_hidden("#tip")


def test_the_keyboard_reaches_every_control(page):
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(e => e.id || e.name || e.closest('.points')?.getAttribute('class')"
                " || e.closest('th, summary')?.tagName || '')(document.activeElement)"
            )
        )
    assert {"theme", "protocol-raw", "set", "bins", "of", "points", "method", "part"} <= reached
    assert {"TH", "SUMMARY"} <= reached


def test_tables_sort_by_click_and_by_key(page):
    table = "#tables table >> nth=0"
    heading = page.locator(table).locator("thead th").first
    column = "rows => rows.filter(row => !row.classList.contains('group')).map(row => row.textContent)"

    def state():
        bodies = page.locator(table).locator("tbody").all()
        return heading.get_attribute("aria-sort"), [body.locator("tr").evaluate_all(column) for body in bodies]

    def errors(shown):
        return [[float(re.search(r"\d+\.\d\d", text).group()) for text in body] for body in shown[1]]

    first = state()
    heading.locator("button").click()
    up = state()
    heading.locator("button").press("Enter")
    down = state()
    heading.locator("button").press("Space")
    assert (first[0], up[0], down[0]) == (None, "ascending", "descending")
    assert all(a <= b for body in errors(up) for a, b in pairwise(body))
    assert all(a >= b for body in errors(down) for a, b in pairwise(body))
    assert [sorted(body) for body in up[1]] == [sorted(body) for body in first[1]]
    assert state() == first


def test_tables_filter_by_method_set_and_protocol(page):
    shown = "#tables details[open] tr[data-method]:visible"
    everything = page.locator(shown).count()
    page.fill("#filters [name=method]", "ASLP")
    assert set(page.locator(shown).evaluate_all("rows => rows.map(row => row.dataset.method)")) == {"aslp_mc"}
    page.select_option("#filters [name=part]", "scenes")
    assert page.locator(shown).count() == 1
    page.check("#protocol-both", force=True)
    assert page.locator(shown).count() == 2
    page.fill("#filters [name=method]", "no such")
    assert page.inner_text("#filtered") == "No row fits."
    page.click("#filters [type=reset]")
    page.check("#protocol-raw", force=True)
    playwright.expect(page.locator(shown)).to_have_count(everything)


def test_a_table_of_which_a_filter_leaves_nothing_goes(page):
    open_all(page)
    left = "#tables > details:visible"
    everything = page.locator(left).count()
    page.select_option("#filters [name=part]", "textures")
    assert 0 < page.locator(left).count() < everything
    parts = page.locator("#tables tbody[data-part]:visible").evaluate_all("all => all.map(e => e.dataset.part)")
    assert set(parts) == {"textures"}
    empty = "all => all.filter(e => e.querySelector('tbody') && [...e.querySelectorAll('tbody')].every(b => b.hidden))"
    assert page.locator(left).evaluate_all(f"all => ({empty})(all).length") == 0


def test_whiskers_stand_at_their_points(page):
    page.check("#choose [value=aslp_mc]", force=True)
    middles = "all => all.map(e => { const box = e.getBoundingClientRect(); return box.left + box.width / 2; })"
    points = page.locator("#chart .points > *").evaluate_all(middles)
    whiskers = page.locator("#chart .whiskers line").evaluate_all(middles)
    assert whiskers and all(min(abs(x - of) for of in points) < 0.6 for x in whiskers)


def test_the_theme_follows_the_system_and_the_button(browser, results):
    paper = "getComputedStyle(document.body).backgroundColor"
    page = opened(browser, results, color_scheme="dark")
    dark = page.evaluate(paper)
    page.click("#theme")
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    assert page.evaluate(paper) == light
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_violation_of_accessibility(browser, results, scheme):
    page = opened(browser, results, color_scheme=scheme)
    open_all(page)
    page.check("#protocol-both", force=True)
    result = axe.Axe().run(page)
    assert result.violations_count == 0, result.generate_report()
    page.context.close()


def test_names_on_a_phone_are_whole(browser, results, tmp_path):
    html = (results / "report.html").read_text(encoding="utf-8")
    name = "temperature_of_a_method_with_a_long_name"
    (tmp_path / "report.html").write_text(re.sub(r'(<th scope="row"[^>]*>)baseline', rf"\1{name}", html), "utf-8")
    page = opened(browser, tmp_path, viewport=PHONE)
    open_all(page)
    cut = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
    names = page.locator("tbody th[scope=row]", has_text=name)
    assert names.count() > 1 and names.evaluate_all(cut) == []
    page.context.close()


def test_on_a_phone_effects_of_claims_are_in_view_and_wide_drawings_scroll(browser, results):
    page = opened(browser, results, viewport=PHONE)
    open_all(page)
    right = "all => all.filter(e => e.offsetParent).map(e => e.getBoundingClientRect().right)"
    effects = page.locator(".claims tbody td:nth-child(2)").evaluate_all(right)
    assert effects and max(effects) < PHONE["width"]
    widths = page.locator(".wide > .scroll:has(svg)").evaluate_all(
        "all => all.filter(e => e.offsetParent).map(e => [e.scrollWidth, e.clientWidth])"
    )
    assert widths and all(drawing > 600 > seen for drawing, seen in widths)
    page.context.close()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_page_never_scrolls_sideways(browser, results, size):
    page = opened(browser, results, viewport=size)
    open_all(page)
    page.check("#protocol-both", force=True)
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    page.context.close()


def test_print_shows_claims_first_tables_and_what_was_opened_and_no_controls(page):
    page.locator("#figures > details").first.evaluate("one => { one.open = true; }")
    page.emulate_media(media="print")
    assert page.locator("nav, form").evaluate_all("all => all.every(e => getComputedStyle(e).display === 'none')")
    seen = "all => all.map(e => e.lastElementChild.checkVisibility())"
    assert all(page.locator("details.printed, details[open]").evaluate_all(seen))
    folded = page.locator("#figures > details:not([open]), #tables > details:not(.printed):not([open])")
    assert folded.count() > 1 and not any(folded.evaluate_all(seen))
    hidden = page.locator("[data-protocol]").evaluate_all(
        "all => all.filter(e => getComputedStyle(e).display === 'none')"
    )
    assert hidden == []


def test_without_javascript_words_pictures_claims_and_tables_are_there(browser, results):
    page = opened(browser, results, java_script_enabled=False)
    assert page.is_visible("#summary .lead")
    assert page.is_visible("#claims .verdict")
    assert page.locator("#tables tbody tr:visible").count() > 0
    assert page.is_hidden("#choose")
    assert page.is_hidden("#filters")
    assert page.is_hidden("#numbers")
    assert page.is_hidden("#theme")
    assert page.locator(".still svg:visible").count() == 2
    page.context.close()


def test_the_citation_can_be_copied(browser, results):
    page = opened(browser, results, permissions=["clipboard-read", "clipboard-write"])
    page.click("[data-copy]")
    playwright.expect(page.locator("[data-copy]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#bibtex")
    page.context.close()
