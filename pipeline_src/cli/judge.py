"""The command `judge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any

import typer

from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.cli.options import Groups, Ignore, Resamples, Risk, check_groups, start_log
from pipeline_src.counting.levels import LEVELS, PROTOCOLS
from pipeline_src.errors import UserError
from pipeline_src.metrics.metric import with_ends
from pipeline_src.metrics.registry import METRICS

PRINTED = (
    "ece",
    "ece_floor",
    "oe",
    "ece_debiased",
    "smooth_ece",
    "accuracy",
    "mean_iou",
    "brier",
    "nll",
    "mae",
    "max_f",
)

MARGIN = 0.005  # a smaller difference of confidence and accuracy, half a point, counts as none, as for claim C3
MEANINGS = {  # of names that do not explain themselves
    "ece_floor": "the ECE that a calibrated network would have on these images",
    "oe": "only overconfidence, weighted by confidence",
    "ece_debiased": "root of the squared calibration error, minus noise",
    "smooth_ece": "a calibration error without bins",
}
Bins = Annotated[
    int, typer.Option(metavar="N", help=f"Number of bins, a divisor of {LEVELS} such as 5, 10, 15, 20, 50 or 100")
]


def judge(
    pred: Annotated[Path, typer.Option(metavar="DIR", help="Folder of prediction maps: PNG, TIFF, BMP, .npy, .npz")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into")],
    mask: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of masks, paired with the maps by stem")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the model [default: that of the folder]")
    ] = None,
    bins: Bins = 10,
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="raw, stretched (each map min-max normalized) or both")
    ] = "both",
    ood: Annotated[bool, typer.Option("--ood", metavar="", help="No masks: every pixel is background")] = False,
    ignore: Ignore = None,
    calibrator: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="calibrator.json: evaluate the maps as if it had been applied to them"),
    ] = None,
    risk: Risk = "",
    whole_maps: Annotated[
        bool, typer.Option("--whole-maps/--no-whole-maps", metavar="", help="Also compute S, E and weighted F")
    ] = True,
    resamples: Resamples = RESAMPLES,
    groups: Groups = "",
) -> None:
    """Evaluate saved prediction maps of any model against masks.

    Example: dense-calibration judge --pred maps --mask masks --out judged
    """
    from pipeline_src.maps.judge import judge_folder  # imports scipy and OpenCV, which other commands do without

    if ood == (mask is not None):
        raise UserError(
            "judge needs either masks or --ood", fix="give --mask DIR, or --ood where every pixel is background"
        )
    check_groups(groups)
    start_log()
    if protocol not in (*PROTOCOLS, "both"):
        raise UserError("unknown --protocol", found=protocol, expected="raw, stretched or both")
    result = judge_folder(
        pred,
        mask,
        name or pred.resolve().name,
        out,
        bins=bins,
        protocols=PROTOCOLS if protocol == "both" else (protocol,),
        ignore=ignore,
        whole_maps=whole_maps,
        resamples=resamples,
        groups=groups,
        calibrator=calibrator,
        risk=risk,
        diagrams=True,
    )
    typer.echo(in_words(result, out))


def in_words(result: dict[str, Any], out: Path) -> str:
    """What the terminal shows: the main numbers with their intervals, warnings, and where the rest is."""
    lines = [f"{result['name']}: {result['n_images']} images, {result['n_pixels']:,} pixels, {result['bins']} bins"]
    of_protocols = {protocol: _protocol(result, protocol) for protocol in result["undefined"]}
    first = next(iter(of_protocols))
    for protocol, numbers in of_protocols.items():
        same = protocol != first and numbers == of_protocols[first]
        lines += [f"  {protocol}: the same as {first}"] if same else [f"  {protocol}", *numbers]
    shown = {METRICS[key].column.removesuffix(" %"): text for key, text in MEANINGS.items() if key in result[first]}
    lines += [f"  {column}: {text}" for column, text in shown.items()]
    some = any(ends for by_metric in result["intervals"].values() for ends in by_metric.values())
    lines += remarks(result, ["in brackets: 95 % confidence intervals over {units}, without training variance"] * some)
    lines += [f"  diagram: {path}" for path in sorted(out.glob("reliability-*.svg"))]
    lines += [f"  all numbers: {out / 'metrics.json'}", f"  images, the worst first: {out / 'images.csv'}"]
    return "\n".join(lines)


def _protocol(result: dict[str, Any], protocol: str) -> list[str]:
    """The numbers of one protocol in lines."""
    from pipeline_src.maps import risk  # as above

    lines, values, ends = [], result[protocol], result["intervals"].get(protocol, {})
    for key in (k for k in PRINTED if k in values):
        value = values[key]
        shown = "undefined" if value is None else with_ends(METRICS[key], value, ends.get(key))
        if value is not None and (floor := values.get(METRICS[key].floor)) and value < floor:
            shown += " (below the noise floor: a calibrated network measures as much)"
        lines.append(f"    {METRICS[key].column:<16}{shown}")
    if values.get("gap") is not None:
        lines += wrapped(tendency(values["accuracy"], values["gap"], ends.get("gap")))
    if "risk" in result:
        lines += [f"    {text}" for text in risk.in_words(result["risk"][protocol])]
    return lines


def tendency(accuracy: float, gap: float, ends: Sequence[float] | None) -> str:
    """Whether mean confidence is above or below accuracy, by their difference `gap` and its interval."""
    number = METRICS["gap"].number
    means = f"mean confidence {number(accuracy + gap)} %, accuracy {number(accuracy)} %"
    if gap and not (ends and ends[0] <= 0 <= ends[1]):
        return f"{'over' if gap > 0 else 'under'}confident on average: {means}"
    interval = f" (difference in points {with_ends(METRICS['gap'], gap, ends)})" if ends else ""
    if ends and max(map(abs, ends)) > MARGIN:
        return f"whether over- or underconfident on average is inconclusive on these images: {means}{interval}"
    return f"neither over- nor underconfident on average: {means}{interval}"


def wrapped(text: str) -> list[str]:
    """A sentence in lines of a terminal of 80 columns; a number and its % stay together."""
    lines = wrap(text.replace(" %", "\N{NO-BREAK SPACE}%"), 80, initial_indent=" " * 4, subsequent_indent=" " * 6)
    return [line.replace("\N{NO-BREAK SPACE}%", " %") for line in lines]


def remarks(result: dict[str, Any], intervals: Sequence[str]) -> list[str]:
    """How the `intervals` are read, {units} standing for what they are over; groups of images; and warnings."""
    over = "groups of images" if "groups" in result else "images"
    lines = [text.format(units=over) for text in intervals]
    lines += [result["groups"]] if result.get("groups") else []
    return [f"  {line}" for line in [*lines, *(f"warning: {text}" for text in result["warnings"])]]
