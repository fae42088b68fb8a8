"""The picture of docs/results.md, from published tables: `python docs/make/settings_picture.py`.

Label perturbation minus temperature scaling of the baseline in ECE and Brier score, for each
setting and dataset, as table T14 of the published experiments has it. The numbers of the picture
are in the csv file beside it; the picture holds the digest of this file.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import matplotlib

matplotlib.use("svg")
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results/published"
PICTURE = ROOT / "docs/pictures/settings.svg"
NUMBERS = PICTURE.with_suffix(".csv")
# Published experiment -> what it is called. Those that are not published are left out.
SETTINGS = {
    "new_seeds": "500 images",
    "recipe": "500 images",
    "mini_seeds": "500 images",
    "mini_methods": "500 images",
    "more_data": "4,000 images",
    "larger": "192 px",
    "mini_lite2": "other network",
    "cod": "camouflage",
    "smoke": "smoke",
    "polyp": "polyps",
    "semseg": "street scenes",
}
METHODS = {"aslp_mc": "ASLP_MC", "aslp_mei": "ASLP_MEI", "slp": "SLP", "aslp_cl": "ASLP_CL (ours)"}
MARKERS = {"aslp_mc": "o", "aslp_mei": "s", "slp": "^", "aslp_cl": "D"}
METRICS = {"ece": "ECE, points", "brier": "Brier score"}
KINDS = {"Real images": ("id", "shifted"), "Textures": ("ood",)}
# Half the width of an axis; a few intervals are longer.
WIDEST = {
    ("Real images", "ece"): 8.0,
    ("Real images", "brier"): 0.025,
    ("Textures", "ece"): 8.0,
    ("Textures", "brier"): 0.085,
}
TICKS = {
    ("Real images", "ece"): 5,
    ("Real images", "brier"): 0.02,
    ("Textures", "ece"): 5,
    ("Textures", "brier"): 0.05,
}
COLORS = {"lower": "#2471a3", "higher": "#c0392b", "": "#7f8c8d"}
MEANINGS = {"lower": "lower: better", "higher": "higher: worse", "": "inconclusive"}


@dataclass(frozen=True)
class Effect:
    """A method's metric minus that of temperature scaling on a dataset, with its 95 % interval.

    Attributes:
        seeds: the seeds of the networks, separated by spaces; with one of them the interval covers
            the sampling of images only.
        mark: "lower" or "higher" where the difference is significant.
    """

    experiment: str
    seeds: str
    split: str
    role: str
    method: str
    metric: str
    value: float
    low: float
    high: float
    mark: str

    @property
    def single(self) -> bool:
        """Whether a single network was trained."""
        return " " not in self.seeds


def effects(folder: Path = PUBLISHED) -> list[Effect]:
    """All differences of the picture, in the order of settings, datasets, methods and metrics."""
    found = []
    for experiment in SETTINGS:
        archive = folder / experiment / "tables.zip"
        if not archive.is_file():
            continue
        with ZipFile(archive) as file:
            text = file.read("T14.csv").decode()
        for row in csv.DictReader(io.StringIO(text)):
            pair = row["method"] in METHODS and row["reference"] == "temperature"
            if pair and row["protocol"] == "raw" and row["metric"] in METRICS:
                found.append(_effect(experiment, row))
    return found


def _effect(experiment: str, row: dict[str, str]) -> Effect:
    """The effect of a row of T14; ECE in points."""
    factor = 100 if row["metric"] == "ece" else 1
    # With fewer than three seeds a difference of ECE has its interval in other columns.
    limits = [row["low"] or row["own_low"], row["high"] or row["own_high"]]
    value, low, high = (factor * float(text or "nan") for text in [row["mean"], *limits])
    return Effect(
        experiment=experiment,
        seeds=row["seeds"],
        split=row["part"],
        role=row["role"],
        method=row["method"],
        metric=row["metric"],
        value=value,
        low=low,
        high=high,
        mark=row["mark"],
    )


def as_csv(shown: Iterable[Effect]) -> str:
    """The effects as csv, numbers with six significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Effect)])
    for effect in shown:
        row = asdict(effect)
        for name in ("value", "low", "high"):
            row[name] = f"{row[name]:.6g}"
        writer.writerow(row.values())
    return text.getvalue()


def summary(shown: Sequence[Effect]) -> str:
    """How many differences on real images and on textures are significant, as a sentence."""
    counts = []
    for kind, roles in KINDS.items():
        marks = [effect.mark for effect in shown if effect.role in roles]
        worse = marks.count("higher")
        better = marks.count("lower")
        counts.append(f"on {kind.lower()} {worse} of {len(marks)} are worse and {better} better")
    return f"Significant differences: {', '.join(counts)}."


def rows_of(shown: Sequence[Effect], kind: str) -> list[tuple[str, str]]:
    """The (experiment, dataset) of the rows of a panel, from the top."""
    return list(dict.fromkeys((e.experiment, e.split) for e in shown if e.role in KINDS[kind]))


def draw(axes: Axes, shown: Sequence[Effect], kind: str, metric: str) -> None:
    """One panel: a row per setting and dataset, with a lane per method."""
    rows = rows_of(shown, kind)
    widest = WIDEST[kind, metric]
    axes.axvline(0, color="black", linewidth=0.8)
    for effect in shown:
        place = effect.experiment, effect.split
        if effect.metric != metric or place not in rows:
            continue
        lane = list(METHODS).index(effect.method) / len(METHODS)
        y = rows.index(place) + 0.125 + lane
        color = COLORS[effect.mark]
        ends = np.clip([effect.low, effect.high], -widest, widest)
        axes.plot(ends, [y, y], color=color, linewidth=1 if effect.single else 2.4, alpha=0.7)
        x = float(np.clip(effect.value, -widest, widest))
        marker = MARKERS[effect.method]
        if abs(effect.value) > widest:
            marker = "<" if effect.value < 0 else ">"
        axes.plot(x, y, marker, color=color, markersize=3.8, markeredgewidth=0, clip_on=False)
    ticks = [-TICKS[kind, metric], 0, TICKS[kind, metric]]
    axes.set(xlim=(-widest, widest), ylim=(len(rows), 0), xticks=ticks, yticks=[])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.patch.set_visible(False)  # it would cover the lines between rows


def label(axes: Axes, shown: Sequence[Effect], kind: str) -> None:
    """Write settings and datasets beside the rows of the left panel, with lines between them."""
    rows = rows_of(shown, kind)
    place = blended_transform_factory(axes.figure.transFigure, axes.transData)
    seeds = {effect.experiment: len(effect.seeds.split()) for effect in shown}
    before = ""
    for number, (experiment, split) in enumerate(rows):
        axes.text(0.345, number + 0.5, split, transform=place, ha="right", va="center")
        if experiment != before:
            plural = "s" if seeds[experiment] > 1 else ""
            text = f"{SETTINGS[experiment]}\n{seeds[experiment]} seed{plural}"
            axes.text(0.01, number + 0.15, text, transform=place, va="top", weight="bold")
        start, color, width = 0.01, "#85929e", 0.8
        if experiment == before:
            start, color, width = 0.36, "#d5d8dc", 0.5
        ends = [start, 0.98]
        line = Line2D(ends, [number, number], transform=place, color=color, linewidth=width)
        line.set(clip_on=False, zorder=0)
        axes.add_line(line)
        before = experiment


def main() -> None:
    """Write the picture and its numbers."""
    shown = effects()
    numbers = as_csv(shown)
    NUMBERS.write_text(numbers, encoding="utf-8")
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "picture",
        "font.family": "sans-serif",
        "font.size": 8,
    }
    heights = [len(rows_of(shown, kind)) for kind in KINDS]
    with plt.rc_context(settings):
        size = (5.6, 0.27 * sum(heights) + 1.4)
        figure, panels = plt.subplots(2, 2, figsize=size, height_ratios=heights)
        figure.subplots_adjust(
            left=0.36, right=0.98, top=0.91, bottom=0.03, hspace=0.13, wspace=0.06
        )
        for axes_of_kind, kind in zip(panels, KINDS, strict=True):
            for axes, metric in zip(axes_of_kind, METRICS, strict=True):
                draw(axes, shown, kind, metric)
                axes.set_title(METRICS[metric], fontsize=9)
            label(axes_of_kind[0], shown, kind)
            top = axes_of_kind[0].get_position().y1
            figure.text(0.01, top + 0.006, kind, fontsize=10, weight="bold")
        shapes = []
        for method, name in METHODS.items():
            shapes.append(Line2D([], [], color="black", ls="", marker=MARKERS[method], label=name))
        colors = []
        for mark, meaning in MEANINGS.items():
            colors.append(Line2D([], [], color=COLORS[mark], linewidth=3, label=meaning))
        for handles, y in ((shapes, 1.0), (colors, 0.98)):
            place = (0.5, y)
            figure.legend(
                handles=handles, loc="upper center", bbox_to_anchor=place, ncols=4, frameon=False
            )
        digest = hashlib.sha256(numbers.encode()).hexdigest()
        figure.savefig(PICTURE, metadata={"Date": None, "Description": digest})


if __name__ == "__main__":
    main()
