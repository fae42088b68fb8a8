"""The command `judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.cli.options import Bins, Groups, Ignore, Resamples, Risk, check_groups, start_log
from pipeline_src.metrics.metric import with_ends
from pipeline_src.metrics.registry import METRICS
from pipeline_src.text_tables import aligned

PRINTED = (
    *("ece", "ece_floor", "oe", "ece_debiased", "smooth_ece"),
    *("accuracy", "mean_iou", "brier", "nll", "mae", "max_f"),
)
MEANINGS = {  # of names that do not explain themselves
    "ece_floor": "the ECE that a calibrated network would have on these images",
    "oe": "only overconfidence, weighted by confidence",
    "ece_debiased": "root of the squared calibration error, minus noise",
    "smooth_ece": "a calibration error without bins",
}
PROTOCOL_MEANINGS = (
    "unnormalized: probabilities as saved; min-max normalized: each map scaled to [0, 1], as in the released program"
)


def judge(
    pred: Annotated[Path, typer.Option(metavar="DIR", help="Folder of prediction maps: PNG, TIFF, BMP, .npy, .npz")],
    mask: Annotated[Path, typer.Option(metavar="DIR", help="Folder of masks, paired with the maps by stem")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the model (default: that of the folder)")
    ] = None,
    bins: Bins = 10,
    ignore: Ignore = None,
    risk: Risk = "",
    resamples: Resamples = RESAMPLES,
    groups: Groups = "",
) -> None:
    """Evaluate saved prediction maps of any model against masks.

    Example: dense-calibration judge --pred maps --mask masks --out judged
    """
    from pipeline_src.maps.judge import judge_folder  # imports scipy, which other commands do without

    check_groups(groups)
    start_log()
    name = name or pred.resolve().name
    options: dict[str, Any] = {"bins": bins, "ignore": ignore, "risk": risk, "resamples": resamples, "groups": groups}
    result = judge_folder(pred, mask, name, out, diagrams=True, **options)
    typer.echo(summary_text(result, out))


def summary_text(result: dict[str, Any], out: Path) -> str:
    """Return what the terminal shows: the main numbers with their intervals, warnings, and where the rest is."""
    from pipeline_src.maps import risk  # as above

    protocols = [*result["undefined"]]
    names = [name for name in PRINTED if name in result[protocols[0]]]
    rows = [["", *(PROTOCOL_NAMES[protocol] for protocol in protocols)]]
    for name in names:
        rows.append([METRICS[name].column, *(_cell(result, protocol, name) for protocol in protocols)])
    lines = [f"{result['name']}: {result['n_images']} images, {result['n_pixels']:,} pixels, {result['bins']} bins"]
    lines += [f"  {line}" for line in aligned(rows)]
    lines += [f"  {tendency(result[protocol], result['intervals'].get(protocol, {}))}" for protocol in protocols[:1]]
    for protocol, control in result.get("risk", {}).items():
        lines += [f"  {PROTOCOL_NAMES[protocol]}: {text}" for text in risk.summary_text(control)]
    lines += [f"  {METRICS[key].column.removesuffix(' %')}: {MEANINGS[key]}" for key in names if key in MEANINGS]
    lines += [f"  {PROTOCOL_MEANINGS}"] if len(protocols) > 1 else []
    lines += remarks(result, ["in brackets: 95 % confidence intervals over {units}, without training variance"])
    lines += [f"  diagram: {path}" for path in sorted(out.glob("reliability-*.svg"))]
    lines += [f"  all numbers: {out / 'metrics.json'}", f"  images, the worst first: {out / 'images.csv'}"]
    return "\n".join(lines)


def _cell(result: dict[str, Any], protocol: str, name: str) -> str:
    value, ends = result[protocol][name], result["intervals"].get(protocol, {}).get(name)
    return "undefined" if value is None else with_ends(METRICS[name], value, ends)


def tendency(values: dict[str, Any], intervals: dict[str, Any]) -> str:
    """Return whether mean confidence is above or below accuracy, by their difference and its interval."""
    gap, ends, number = values["gap"], intervals.get("gap"), METRICS["gap"].number
    means = f"mean confidence {number(values['accuracy'] + gap)} %, accuracy {number(values['accuracy'])} %"
    if gap and not (ends and ends[0] <= 0 <= ends[1]):
        return f"{'over' if gap > 0 else 'under'}confident on average: {means}"
    shown = f", difference in points {with_ends(METRICS['gap'], gap, ends)}"
    return f"not shown to be over- or underconfident on average: {means}{shown}"


def remarks(result: dict[str, Any], intervals: list[str]) -> list[str]:
    """Return how the `intervals` are read, {units} standing for what they are over; groups of images; and warnings."""
    over = "groups of images" if "groups" in result else "images"
    lines = [text.format(units=over) for text in intervals]
    lines += [result["groups"]] if result.get("groups") else []
    return [f"  {line}" for line in [*lines, *(f"warning: {text}" for text in result["warnings"])]]
