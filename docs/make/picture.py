"""The picture of README.md, from published results: `python docs/make/picture.py`, after `rebuild -e mini_seeds`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the code beside it

from matplotlib.figure import Figure  # noqa: E402

from pipeline_src.figures import bin_tables, style  # noqa: E402
from pipeline_src.figures.reliability import accuracy_height, draw_bars, draw_shares, gap_patches, percent_ticks  # noqa: E402
from pipeline_src.metrics.metric import with_ends  # noqa: E402
from pipeline_src.metrics.registry import METRICS  # noqa: E402
from pipeline_src.publishing import published  # noqa: E402
from pipeline_src.publishing.rebuild import REBUILT  # noqa: E402

PICTURE = Path("docs/pictures/reliability.svg")
EXPERIMENT, PROTOCOL, PART, BASELINE = "mini_seeds", "raw", "ECSSD", "baseline"
FIGURES = REBUILT / EXPERIMENT / "figures"
TITLES = {
    BASELINE: "One label per pixel: baseline",
    "aslp_mc": "Perturbed labels: ASLP_MC",
    "temperature": "Temperature scaling",
}
LEFT, GAP, WIDE, SHARES = 0.52, 0.3, 1.9, 0.55  # inches
LARGER = 1.25  # than its size in print, as a page shows it


def draw(tables: Sequence[tuple[str, pd.DataFrame]], errors: Sequence[Sequence[str]], lines: Sequence[str]) -> Figure:
    """A panel of (title, `bin_tables.reliability_table`) each, with its numbers in words."""
    corner = bin_tables.corner([table for _, table in tables])
    high = accuracy_height(WIDE, corner)
    figure, used = style.new_figure(high + SHARES + 1.43, lines[0], lines[1:], style.WIDE)
    for k, ((title, table), words) in enumerate(zip(tables, errors, strict=True)):
        x = LEFT + k * (WIDE + GAP)
        style.write(figure, x, used + 0.2, title, fontsize=9, fontweight="bold", color=style.INK)
        for line, text in enumerate(words):
            style.write(figure, x, used + 0.37 + 0.15 * line, text, fontsize=8, color=style.INK)
        main = style.place(figure, x, used + 0.65, WIDE, high)
        shares = style.place(figure, x, used + 0.7 + high, WIDE, SHARES)
        draw_bars(main, bin_tables.drawn_bins(table), corner[1], corner[0])
        draw_shares(shares, table, corner[0])
        shares.set_xlim(main.get_xlim())
        percent_ticks(shares.set_xticks, main.get_xticks())
        shares.set_xlabel("Confidence, %")
        main.tick_params(labelbottom=False, bottom=False)
        main.set_ylabel("Pixels that are right, %" if k == 0 else "")
        shares.set_ylabel("Pixels, %" if k == 0 else "")
        for axes in (main, shares) if k else ():
            axes.tick_params(labelleft=False)
    _key(figure)
    return figure


def _key(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: dict[str, Any] = {
        "right": Patch(facecolor=style.CALIBRATED, alpha=0.45),
        "too sure by so much": gap_patches((0, 0), 1, 1, style.OVER),
        "not sure enough": gap_patches((0, 0), 1, 1, style.UNDER),
        "95 % interval": Line2D([], [], color=style.INK, marker="|", linestyle="none", markersize=8),
        "calibrated": Line2D([], [], color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2))),
    }
    figure.legend(list(entries.values()), list(entries), loc="lower center", ncols=5, fontsize=7.5, frameon=False)


def picture(folder: Path) -> Figure:
    """The diagrams of `TITLES` of a published experiment."""
    facts = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    with ZipFile(folder / published.TABLES) as file, file.open("T14.csv") as table:
        differences = pd.read_csv(table, keep_default_na=False, na_values=[""])
    ece = {method: facts["metrics"][PROTOCOL][method][PART]["ece"] for method in TITLES}
    of_part = differences[
        (differences["protocol"] == PROTOCOL)
        & (differences["part"] == PART)
        & (differences["metric"] == "ece")
        & (differences["reference"] == BASELINE)
    ].set_index("method")
    words = []
    for method, error in ece.items():
        value = with_ends(METRICS["ece"], error["mean"], (error["low"], error["high"]))
        words.append([f"ECE {value} %"] + ([] if method == BASELINE else [_difference(of_part.loc[method])]))
    tables = [
        (title, pd.read_csv(FIGURES / f"reliability-{PROTOCOL}-{method}-{PART}.csv", dtype={"bin": str}))
        for method, title in TITLES.items()
    ]
    seeds = [of for of in differences["seeds"].dropna().unique() if of]
    networks = f"{max(len(of.split()) for of in seeds)} networks each"
    heading = f"Are networks right as often as they are sure? {facts['sets'][PART]['images']:,} photographs of {PART}"
    how = f"{networks}; in brackets and as strokes, 95 % intervals over images and training"
    return draw(tables, words, [heading, how])


def _difference(row: pd.Series) -> str:
    low, high = sorted(100 * abs(row[end]) for end in ("own_low", "own_high"))
    if not isinstance(row["mark"], str):
        return "not shown to differ from the baseline"
    return f"{100 * abs(row['mean']):.1f} points {row['mark']} [{low:.1f}, {high:.1f}]"


def save(figure: Figure, stem: Path) -> None:
    """As an SVG, `LARGER` than in print."""
    style.save_for_page(figure, stem)
    svg = stem.with_suffix(".svg")
    text = svg.read_text(encoding="utf-8")
    for name, size in zip(("width", "height"), figure.get_size_inches(), strict=True):
        text = text.replace(f'{name}="{72 * size:g}pt"', f'{name}="{72 * size * LARGER:g}pt"', 1)
    svg.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    os.chdir(ROOT)
    published.checked(published.FOLDER / EXPERIMENT, published.COMPUTED)
    with style.house():
        save(picture(published.FOLDER / EXPERIMENT), PICTURE.with_suffix(""))
