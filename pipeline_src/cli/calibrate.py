"""The command `calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.analysis.recommendation import RULE
from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.calibrators.registry import CALIBRATORS
from pipeline_src.cli.judge import BRACKETS, CLAMP, remarks
from pipeline_src.cli.options import (
    Bins,
    Groups,
    Ignore,
    Logits,
    Resamples,
    SkipUnpaired,
    start_log,
)
from pipeline_src.files import Content
from pipeline_src.metrics.metric import Difference, with_ends
from pipeline_src.metrics.registry import METRICS
from pipeline_src.text_tables import aligned

# A word of the table of scores -> the line that explains it, printed where the word occurs.
LEGENDS = {
    "NLL": CLAMP,
    "[": f"{BRACKETS}; paired for differences",
    "lower": "lower: this interval is below 0; for ECE, that of the squared error also",
    "higher": "higher: this interval is above 0; for ECE, that of the squared error also",
}
# After the steps of `RULE`, of which the last one can leave several calibrators.
TIE_BREAK = "Of equally simple calibrators of the tie, that of the lowest Brier score is applied."


def calibrate(
    pred: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder of prediction maps to fit to: PNG, TIFF, BMP, .npy, .npz"
        ),
    ],
    mask: Annotated[Path, typer.Option(help="Folder of their masks, paired by stem")],
    apply: Annotated[Path, typer.Option(help="Folder of the maps to calibrate")],
    out: Annotated[
        Path, typer.Option(help="Folder to write into: calibrator.json, scores.json, maps/")
    ],
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Calibrator; without --method temperature scaling is applied. all: cross-validate "
            "every calibrator and apply the simplest that ties with the best; or one of: "
            + ", ".join(CALIBRATORS),
        ),
    ] = "temperature",
    test_mask: Annotated[
        Path | None, typer.Option(help="Masks of the maps to calibrate, to score them by")
    ] = None,
    ignore: Ignore = None,
    bins: Bins = 10,
    resamples: Resamples = RESAMPLES,
    groups: Groups = "",
    logits: Logits = False,
    skip_unpaired: SkipUnpaired = False,
) -> None:
    """Calibrate saved prediction maps of any model: fit on validation maps, apply to others.

    Example: dense-calibration calibrate --pred val/maps --mask val/masks --apply maps --out out
    """
    from pipeline_src.maps.calibrate import calibrate_folder  # imports scipy, as judge does

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
        logits=logits,
        skip_unpaired=skip_unpaired,
    )
    typer.echo(summary_text(result, out))


def summary_text(result: Content, out: Path) -> str:
    """Return the text for the terminal: scores before and after, and where the files are.

    Args:
        result: the content of scores.json (`maps.calibrate.calibrate_folder`).
    """
    fitted = result["fitted_on"]
    lines = _choice(result["calibrators"]) if "calibrators" in result else []
    lines += [
        f"{result['method']}, fitted to {fitted['images']} images, {fitted['pixels']:,} pixels"
    ]
    if not result["keeps_class"]:
        lines.append("the predicted class of any pixel may change")
    where = f"images in {result['scored_on']}"
    if result["scored_on"] == "cross-validation":
        where = "fitted images, each by a calibrator fitted without it"
    lines.append(f"on {result['scored_images']} {where}; {result['bins']} bins")
    rows = [["", "before", "after", "difference"]]
    for name, score in result["scores"].items():
        metric = METRICS[name]
        ends = score["intervals"]
        before = with_ends(metric, score["before"], ends["before"])
        after = with_ends(metric, score["after"], ends["after"])
        change = score["after"] - score["before"]
        difference = with_ends(Difference.of(metric), change, ends["difference"])
        rows.append([metric.column, before, after, f"{difference} {score['changed']}".rstrip()])
    table = aligned(rows)
    lines += [f"  {line}" for line in table]
    lines += remarks(result, table, LEGENDS)
    lines += [
        f"{result['applied_images']} calibrated maps: {out / 'maps'}",
        f"the calibrator, for predict: {out / 'calibrator.json'}",
    ]
    return "\n  ".join(lines)


def _choice(calibrators: Content) -> list[str]:
    """Return the lines of the table of all calibrators, and of the rule that chooses one.

    A row has the differences of a calibrator from temperature scaling.

    Args:
        calibrators: name -> its scores and its outcome in the rule, as `maps.calibrate.choose`
            returns them.
    """
    columns = [METRICS[name].column for name in calibrators["temperature"]["scores"]]
    rows = [["minus temperature", *columns, "outcome"]]
    for calibrator, entry in calibrators.items():
        row = [calibrator]
        for name, score in entry["scores"].items():
            change = score["value"] - score["temperature"]
            ends = score["intervals"]["difference"]
            row.append(with_ends(Difference.of(METRICS[name]), change, ends))
        rows.append([*row, entry["outcome"]])
    return ["cross-validated; baseline: the maps as they are", *aligned(rows), *RULE, TIE_BREAK]
