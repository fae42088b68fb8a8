"""The command `calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.calibrators import NAMES
from pipeline_src.cli.judge import Bins, remarks
from pipeline_src.cli.options import Groups, Ignore, Resamples, Risk, check_groups, start_log
from pipeline_src.metrics.metric import Difference, with_ends
from pipeline_src.metrics.registry import METRICS
from pipeline_src.text_tables import aligned

INTERVALS = (
    "in brackets: 95 % confidence intervals over {units}; paired for differences",
    "lower, higher: this interval excludes 0; for ECE, that of the squared error",
)


def calibrate(
    pred: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of prediction maps to fit to: PNG, TIFF, BMP, .npy, .npz")
    ],
    mask: Annotated[Path, typer.Option(help="Folder of their masks, paired by stem")],
    apply: Annotated[Path, typer.Option(help="Folder of the maps to calibrate")],
    out: Annotated[Path, typer.Option(help="Folder to write into: calibrator.json, scores.json, maps/")],
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME", help=f"Calibrator: {', '.join(NAMES)}; the first is the simplest that ties with the best"
        ),
    ] = "temperature",
    test_mask: Annotated[Path | None, typer.Option(help="Masks of the maps to calibrate, to score them by")] = None,
    risk: Risk = "",
    ignore: Ignore = None,
    bins: Bins = 10,
    resamples: Resamples = RESAMPLES,
    groups: Groups = "",
) -> None:
    """Calibrate saved prediction maps of any model: fit on validation maps, apply to others.

    Example: dense-calibration calibrate --pred val/maps --mask val/masks --apply test/maps --out calibrated
    """
    from pipeline_src.maps.calibrate import calibrate_folder  # imports scipy and OpenCV, as judge does

    check_groups(groups)
    start_log()
    result = calibrate_folder(
        pred,
        mask,
        apply,
        out,
        method=method,
        test_mask=test_mask,
        ignore=ignore,
        bins=bins,
        resamples=resamples,
        groups=groups,
        risk=risk,
    )
    typer.echo(in_words(result, out))


def in_words(result: dict[str, Any], out: Path) -> str:
    """What the terminal shows: the method and why, the scores before and after, and where the files are."""
    lines = [f"{result['method']}, fitted to {result['images']} images, {result['pixels']:,} pixels"]
    if not result["keeps_class"]:
        lines.append("  the predicted class of any pixel may change")
    where = (
        f"{result['scored_images']} fitted images, each by a calibrator fitted without it"
        if result["scored_on"] == "cross-validation"
        else f"{result['scored_images']} images in {result['scored_on']}"
    )
    lines.append(f"  on {where}; {result['bins']} bins")
    rows = [["", "before", "after", "difference"]]
    for name, score in result["scores"].items():
        metric = METRICS[name]
        sides = [with_ends(metric, score[side], score["intervals"][side]) for side in ("before", "after")]
        change = with_ends(Difference.of(metric), score["after"] - score["before"], score["intervals"]["difference"])
        rows += _rows(metric.column, *sides, change, changed=score["changed"])
    lines += [f"    {line}" for line in aligned(rows)]
    if "risk" in result:
        from pipeline_src.maps import risk  # as above

        cross_validated = result["scored_on"] == "cross-validation"
        where = {} if cross_validated else {"where": f"on {result['scored_on']}"}
        lines += [f"  {text}" for text in risk.in_words(result["risk"], **where)]
    some = any(score["intervals"]["before"] for score in result["scores"].values())
    lines += remarks(result, INTERVALS if some else ())
    lines.append(f"  {result['applied_images']} calibrated maps: {out / 'maps'}")
    lines.append(f"  the calibrator, for judge and predict: {out / 'calibrator.json'}")
    return "\n".join(lines)


def _rows(name: str, *cells: str, changed: str) -> list[list[str]]:
    """A metric in one row, and its intervals in a second: a terminal of 80 columns holds them."""
    values, ends = zip(*(cell.partition(" [")[::2] for cell in cells), strict=True)
    *sides, change = values
    rows = [[name, *sides, f"{change} {changed}".rstrip()]]
    return [*rows, ["", *(f"[{end}" if end else "" for end in ends)]] if any(ends) else rows
