"""The command `judge`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.cli.options import (
    Bins,
    Groups,
    Ignore,
    Logits,
    Resamples,
    SkipUnpaired,
    flag,
    start_log,
)
from pipeline_src.errors import UserError
from pipeline_src.files import Content
from pipeline_src.metrics.metric import with_ends
from pipeline_src.metrics.registry import METRICS
from pipeline_src.text_tables import aligned

# The metrics that the terminal shows, of those that the maps have; metrics.json has all.
PRINTED = (
    "gap",
    "ece",
    "ece_floor",
    "classwise_ece",
    "oe",
    "ece_debiased",
    "smooth_ece",
    "accuracy",
    "mean_iou",
    "brier",
    "nll",
    "mae",
    "max_f",
    "weighted_f",
)
# Verdict (`maps.judge.miscalibration`) -> the answer to the question whether maps are calibrated.
ANSWERS = {
    "detected": "miscalibration detected, of about {amount} points: {side}confident on average",
    "not detected": "no miscalibration detected at this size: the ECE is at most {high} %",
    "inconclusive": "inconclusive: the ECE may be from {low} to {high} %; more images narrow this",
    "not tested": "not tested: --resamples 0 leaves out the intervals that would tell",
}
# Verdict -> what a user does next.
NEXT = {
    "detected": "next: calibrate; --apply takes the maps to calibrate, here those of --pred\n"
    "  {command}",
    "not detected": "next: nothing to do",
    "inconclusive": "next: evaluate more images; four times as many halve the intervals",
    "not tested": "next: leave out --resamples 0",
}
READING = "how to read a result: docs/reading-results.md"
# Sign of the gap of confidence and accuracy, 0 where it is not significant -> the word before
# "confident".
SIDES = {1: "over", -1: "under", 0: "not shown to be over- or under"}
BRACKETS = "in brackets: 95 % confidence intervals over {units}"
CLAMP = "NLL: no probability is nearer to 0 or 1 than {clamps}"
# A word of the printed table -> the line that explains it, printed where the word occurs.
LEGENDS = {
    "floor": "floor: the ECE that a calibrated network would have on these images",
    "class-wise": "class-wise ECE: the mean over classes of the ECE of p_k, a hit being a pixel of "
    "class k",
    "class  ECE": "of a class: its ECE, the share of its pixels that are predicted as it, and its "
    "share of all pixels",
    "OE": "OE: only overconfidence, weighted by confidence",
    "debiased": "debiased RMS: root of the squared calibration error, minus noise",
    "smooth": "smooth ECE: a calibration error without bins",
    "NLL": CLAMP,
    "min-max": "unnormalized: as saved; min-max normalized: each map from 0 to 1, as in the "
    "released program",
    "[": f"{BRACKETS}, without training variance",
}


def judge(
    pred: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder of prediction maps: PNG, TIFF, BMP, .npy, .npz, .nii.gz; or a pattern, as "
            "'maps/*/prob.npy'",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into")],
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder or pattern of masks, paired with the maps by stem, or by what * stands "
            "for",
        ),
    ] = None,
    no_object: Annotated[
        bool,
        flag("--no-object", help="No masks: every pixel is background, as of textures"),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the model (default: that of the folder)"),
    ] = None,
    bins: Bins = 10,
    ignore: Ignore = None,
    risk: Annotated[
        str,
        typer.Option(
            metavar="BOUND",
            help="fnr=A or fpr=A: also give the threshold that bounds the expected share of an "
            "image's object that is missed (fnr), or of its background that is predicted as object "
            "(fpr); of K classes a threshold for each, or with fnr=A,joint one that bounds the "
            "largest share of a class",
        ),
    ] = "",
    resamples: Resamples = RESAMPLES,
    groups: Groups = "",
    gallery: Annotated[
        bool,
        flag("--gallery", help="Also draw the worst, median and best calibrated images"),
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the images that the gallery shows, paired by stem"
        ),
    ] = None,
    weighted_f: Annotated[
        bool,
        flag("--weighted-f", help="Also measure weighted F, which is slow"),
    ] = False,
    logits: Logits = False,
    skip_unpaired: SkipUnpaired = False,
) -> None:
    """Evaluate saved prediction maps of any model against masks.

    Example: dense-calibration judge --pred maps --mask masks --out judged
    """
    from pipeline_src.maps.judge import judge_folder  # imports scipy; other commands do without

    if (mask is None) != no_object:
        raise UserError(
            "judge needs --mask or --no-object",
            found="both" if mask else "neither",
            fix="--mask DIR; --no-object if no image has an object",
        )
    start_log()
    result = judge_folder(
        pred,
        mask,
        name or Path(str(pred).partition("*")[0]).resolve().name,
        out,
        bins=bins,
        ignore=ignore,
        risk=risk,
        resamples=resamples,
        groups=groups,
        gallery=gallery,
        images=images,
        weighted_f=weighted_f,
        logits=logits,
        skip_unpaired=skip_unpaired,
        diagrams=True,
    )
    # The command that calibrates these maps, which is printed as the next step.
    # As the AUC, a calibrator needs pixels of both classes, if not of these maps then of others.
    folders: list[object] = ["--pred", "MAPS", "--mask", "MASKS"]
    if mask and result["raw"].get("auc", 0) is not None:  # of K classes there is no AUC
        folders = ["--pred", pred, "--mask", mask]
    command = ["dense-calibration", "calibrate", *folders, "--apply", pred]
    command += ["--out", f"{out}-calibrated", "--bins", bins]
    if ignore is not None:
        command += ["--ignore", ignore]
    if groups:
        command += ["--groups", groups]
    if logits:
        command.append("--logits")
    if skip_unpaired:
        command.append("--skip-unpaired")
    typer.echo(summary_text(result, out, shlex.join(map(str, command))))


def summary_text(result: Content, out: Path, command: str) -> str:
    """Return the text for the terminal: the main numbers, warnings, and where the rest is.

    Args:
        result: the content of metrics.json (`maps.judge.judge_folder`).
        out: the folder of the results.
        command: the one that calibrates the maps.
    """
    from pipeline_src.maps import classes, risk  # import scipy; other commands do without

    size = f"{result['n_images']} images, {result['n_pixels']:,} pixels, {result['bins']} bins"
    names = [name for name in PRINTED if name in result["raw"]]
    columns = [["", *(METRICS[name].column for name in names)]]
    for protocol in result["undefined"]:  # which has all protocols
        cells = [_cell(result, protocol, name) for name in names]
        columns.append([PROTOCOL_NAMES[protocol], *cells])
    table = aligned(list(zip(*columns, strict=True)))
    table.append(answer(result))
    table += risk.summary_text(result.get("risk", {}))
    if "classes" in result:
        table += classes.summary_text(result["classes"])
    lines = [f"{result['name']}: {size}", *table]
    lines += remarks(result, table, LEGENDS)
    lines += [f"diagram: {path}" for path in sorted(out.glob("reliability-*.svg"))]
    lines += [f"gallery: {path}" for path in out.glob("gallery.png")]
    verdict = result["miscalibration"].get("raw", "not tested")
    lines += [
        f"all numbers: {out / 'metrics.json'}",
        f"images, the worst first: {out / 'images.csv'}",
        READING,
        NEXT[verdict].format(command=command),
    ]
    return "\n  ".join(lines)


def _cell(result: Content, protocol: str, name: str) -> str:
    """Return a metric in a protocol as printed text, with its confidence limits if it has them."""
    value = result[protocol][name]
    if value is None:
        return "undefined"
    return with_ends(METRICS[name], value, result["intervals"].get(protocol, {}).get(name))


def answer(result: Content) -> str:
    """Return the sentence that says whether the unnormalized maps are calibrated (`ANSWERS`).

    Args:
        result: the content of metrics.json.
    """
    values = result["raw"]
    intervals = result["intervals"].get("raw", {})
    # Confidence limits; where they are undefined, the ECE may be anything and the gap has no side.
    low, high = intervals.get("ece") or (0, 1)
    gap = intervals.get("gap") or (0, 0)
    number = METRICS["ece"].number
    # The amount of a detected error is the ECE, or the gap where only that is significant.
    return ANSWERS[result["miscalibration"].get("raw", "not tested")].format(
        amount=number(values["ece"] if low > 0 else abs(values["gap"])),
        side=SIDES[int(gap[0] > 0) - int(gap[1] < 0)],
        low=number(low),
        high=number(high),
    )


def remarks(result: Content, table: list[str], legends: dict[str, str]) -> list[str]:
    """Return the lines that explain a table: legends of its words, groups of images, and warnings.

    Args:
        result: the content of metrics.json or scores.json.
        table: the lines of the table.
        legends: word -> the line that explains it, with {units} for "images" or "groups of images"
            and {clamps} for the least probabilities whose logarithm is taken.
    """
    text = "\n".join(table)
    units = "groups of images" if "groups" in result else "images"
    clamps = [f"1/{1 / clamp:.0f} ({kind} maps)" for kind, clamp in result["clamp"].items()]
    lines = []
    for word, legend in legends.items():
        if word in text:
            lines.append(legend.format(units=units, clamps=", ".join(clamps)))
    if result.get("groups"):
        lines.append(result["groups"])
    lines += [f"warning: {text}" for text in result["warnings"]]
    return lines
