"""The command `judge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.cli.options import Groups, Ignore, Resamples, Risk, check_groups, start_log
from pipeline_src.cli.words import off_by, remarks, wrapped
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
ACCEPTED_BINS = ", ".join(str(bins) for bins in range(5, 101) if LEVELS % bins == 0)
TWO_INTERVALS = "ECE = |confidence - accuracy| here; its interval is mirrored at the value"
Bins = Annotated[
    int, typer.Option(metavar="N", help=f"Number of bins: {ACCEPTED_BINS}, or another divisor of {LEVELS}")
]
FormerMaxPixels = Annotated[
    int | None, typer.Option("--max-pixels", hidden=True, help="No longer needed: maps of any size are read")
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
    border: Annotated[
        float | None,
        typer.Option(metavar="N", min=0, help="Also report a band of N pixels around object borders"),
    ] = None,
    calibrator: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="calibrator.json: evaluate the maps as if it had been applied to them"),
    ] = None,
    risk: Risk = "",
    whole: Annotated[
        bool, typer.Option("--whole-maps/--no-whole-maps", metavar="", help="Also compute S, E and weighted F")
    ] = True,
    resamples: Resamples = RESAMPLES,
    max_pixels: FormerMaxPixels = None,
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
        border=border,
        whole=whole,
        resamples=resamples,
        groups=groups,
        calibrator=calibrator,
        risk=risk,
        diagrams=True,
    )
    typer.echo(in_words(result, out))


def in_words(result: dict[str, Any], out: Path) -> str:
    """What the terminal shows: the main numbers with their intervals, warnings, and where the rest is."""
    meanings = {
        METRICS[key].column: text
        for key, text in MEANINGS.items()
        if any(key in result[p] for p in result["undefined"])
    }
    lines = [f"{result['name']}: {result['n_images']} images, {result['n_pixels']:,} pixels, {result['bins']} bins"]
    of_protocols = {protocol: _protocol(result, protocol) for protocol in result["undefined"]}
    first = next(iter(of_protocols))
    for protocol, numbers in of_protocols.items():
        same = protocol != first and numbers == of_protocols[first]
        lines += [f"  {protocol}: the same as {first}"] if same else [f"  {protocol}", *numbers]
    lines += [f"  {name.removesuffix(' %')}: {text}" for name, text in meanings.items()]
    if any(_same_number(result[p], result["intervals"].get(p, {})) for p in result["undefined"]):
        lines.append(f"  {TWO_INTERVALS}")
    some = any(ends for by_metric in result["intervals"].values() for ends in by_metric.values())
    lines += remarks(result, ["in brackets: 95 % confidence intervals over {units}, without training variance"] * some)
    lines += [f"  diagram: {path}" for path in sorted(out.glob("reliability-*.svg"))]
    lines += [f"  all numbers: {out / 'metrics.json'}", f"  images, the worst first: {out / 'images.csv'}"]
    return "\n".join(lines)


def _protocol(result: dict[str, Any], protocol: str) -> list[str]:
    """The numbers of one protocol in lines."""
    from pipeline_src.maps import risk  # as above

    lines = []
    for key in (k for k in PRINTED if k in result[protocol]):
        value, ends = result[protocol][key], result["intervals"].get(protocol, {}).get(key)
        shown = "undefined" if value is None else with_ends(METRICS[key], value, ends)
        if value is not None and (floor := result[protocol].get(METRICS[key].floor)) and value < floor:
            shown += " (below the noise floor: a calibrated network measures as much)"
        lines.append(f"    {METRICS[key].column:<16}{shown}")
    ends = result["intervals"].get(protocol, {})
    if sentence := tendency(result[protocol], ends.get("gap")):
        lines += wrapped(sentence)
    lines += off_by(result["bounds"].get(protocol, {}))
    if "risk" in result:
        lines += [f"    {text}" for text in risk.in_words(result["risk"][protocol])]
    return lines


def tendency(values: dict[str, Any], ends: Sequence[float] | None) -> str:
    """In a sentence, whether confidence is above or below accuracy, of values by metric and the interval of `gap`."""
    accuracy, gap = values.get("accuracy"), values.get("gap")
    if accuracy is None or gap is None:
        return ""
    number = METRICS["gap"].number
    means = f"mean confidence {number(accuracy + gap)} %, accuracy {number(accuracy)} %"
    if not gap or (ends and ends[0] <= 0 <= ends[1]):
        interval = f" (difference in points {with_ends(METRICS['gap'], gap, ends)})" if ends else ""
        if ends and max(map(abs, ends)) > MARGIN:
            return f"whether over- or underconfident on average is inconclusive on these images: {means}{interval}"
        return f"neither over- nor underconfident on average: {means}{interval}"
    return f"{'over' if gap > 0 else 'under'}confident by {_magnitude(gap, ends)} points on average: {means}"


def _same_number(values: dict[str, Any], intervals: dict[str, Any]) -> bool:
    """Whether ECE and the difference of confidence and accuracy are printed as one number with two intervals."""
    ece, gap = values.get("ece"), values.get("gap")
    if not (ece and gap and intervals.get("ece") and intervals.get("gap")):
        return False
    printed = with_ends(METRICS["ece"], ece, intervals["ece"]), _magnitude(gap, intervals["gap"])
    return METRICS["ece"].number(ece) == METRICS["gap"].number(abs(gap)) and printed[0] != printed[1]


def _magnitude(gap: float, ends: Sequence[float] | None) -> str:
    return with_ends(METRICS["gap"], abs(gap), sorted(map(abs, ends)) if ends else None)
