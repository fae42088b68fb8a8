"""Evaluated maps: the metrics of a folder of saved maps, as those of the pipeline's own models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline_src import __version__, outputs
from pipeline_src.analysis.analyse import accuracy_band
from pipeline_src.analysis.conformal import JOINT, Bound
from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.analysis.intervals import FEW_GROUPS, MARGINS, Groups, groups_note, images_note
from pipeline_src.analysis.resampling import (
    RESAMPLES,
    SEED,
    ByProtocol,
    measure,
    sampled_units,
    units_with,
)
from pipeline_src.counting.bins import check_bins
from pipeline_src.counting.counts import grouped
from pipeline_src.counting.storage import save
from pipeline_src.data.groups import find, names, numbered
from pipeline_src.data.manifest import write_csv
from pipeline_src.errors import UserError, listed
from pipeline_src.files import Content
from pipeline_src.maps.checks import count_folder
from pipeline_src.maps.classes import class_results, draw_worst
from pipeline_src.maps.files import Pair, form_of, pairs_and_warnings
from pipeline_src.maps.gallery import draw_gallery, pictures_of
from pipeline_src.maps.risk import controls
from pipeline_src.metrics.image_inputs import per_image
from pipeline_src.metrics.metric import with_ends
from pipeline_src.metrics.registry import METRICS

# Names of results. `_draw` and `draw_gallery` write several files each.
REPLACED = ("counts.npz", "gallery.*", "images.csv", "metrics.json", "reliability-*.*")


def judge_folder(
    pred: Path,
    mask: Path | None,
    name: str,
    out: Path,
    *,
    bins: int = 10,
    ignore: int | None = None,
    resamples: int = RESAMPLES,
    groups: str = "",
    risk: str = "",
    diagrams: bool = False,
    gallery: bool = False,
    images: Path | None = None,
    weighted_f: bool = False,
    logits: bool = False,
    skip_unpaired: bool = False,
) -> Content:
    """Evaluate the maps in `pred` against the masks in `mask`, and write the results into `out`.

    Writes metrics.json, counts.npz and images.csv (worst calibrated first). Maps of one object
    have the protocols `raw` and `stretched` (min-max normalized maps); maps of K classes, (K, H,
    W), have `raw`, and numbers of each class (`class_results`). Memory holds one map, and about
    2 KB per image and protocol, or class.

    Args:
        resamples: bootstrap resamples; 0 for no intervals.
        diagrams: also draw the reliability diagram of each protocol, and of K classes those of the
            worst classes.
        mask: None where no image has an object.
        name, bins, ignore, groups, risk, gallery, images, weighted_f, logits, skip_unpaired: the
            options of the command `judge`.

    Returns:
        The content of metrics.json.

    Raises:
        UserError: names all unusable files, or the option that does not fit; nothing is written
            then.
    """
    check_bins(bins)
    outputs.check_output(out, "judge", replaced=REPLACED, inputs=(pred, mask))
    pairs, skipped = pairs_and_warnings(pred, mask, skip_unpaired)
    units = groups_of(pairs, groups)
    form = form_of(pairs, ignore, logits=logits, no_object=mask is None)
    classes = form.classes
    if form.volumes and (gallery or images):
        raise UserError("the gallery shows no volumes", fix="leave out --gallery and --images")
    bound = Bound.of(risk) if risk else None
    if bound and bound.joint and not classes:
        raise UserError(
            f"--risk {risk} needs maps of K classes",
            found="maps of one object",
            fix=f"--risk {risk.removesuffix(JOINT)}",
        )
    pictures = pictures_of(pairs, images) if images else {}
    counted = count_folder(pairs, form, whole_maps=True, weighted_f=weighted_f)
    counts = grouped(counted.counts(), units)
    raw = counts["raw"]
    if not raw.pixels:
        raise UserError(
            f"no pixel of the masks in {mask} counts; nothing was written",
            found="the value that is ignored, at every pixel",
            fix="name another value by --ignore",
        )
    drawn = int(sampled_units(raw).sum())
    # The content of metrics.json, in the order of its keys.
    result: Content = {"name": name, "n_images": len(pairs), "n_pixels": raw.pixels}
    if classes:
        result["n_classes"] = classes
    result |= {"bins": bins, "clamp": counted.clamps, "masks": counted.masks_digest}
    if units is not None:
        result["groups"] = groups_note(drawn)
        result["group_numbers"] = units.tolist()  # of each image
    result["warnings"] = counted.warnings() + skipped
    if resamples and not groups:
        result["warnings"] += images_note(drawn)
    # By protocol; without resamples the first two stay empty.
    result |= {"miscalibration": {}, "intervals": {}, "undefined": {}}
    class_numbers, class_bands = class_results(raw, bins, resamples)  # empty without classes
    if classes:
        result["classes"] = class_numbers
    bands = _add_metrics(result, counts, resamples)
    if bound:
        result["risk"], risk_warnings = controls(counts, bound, resamples)
        result["warnings"] += risk_warnings
    provenance = {
        "name": name,
        "pred": str(pred),
        "mask": str(mask or ""),
        "version": __version__,
        "clamp": counted.clamps,
    }
    with outputs.staged(out, "metrics.json", REPLACED) as new:
        save(counts, new / "counts.npz", provenance)
        _write_images(new / "images.csv", counts, bins)
        if diagrams:
            source = f"masks: {'/'.join(mask.parts[-2:]) if mask else 'none'}"
            _draw(result, counts, bands, source, new)
            if classes:
                draw_worst(raw, result, class_bands, source, new / "reliability-classes")
        if gallery or images:
            draw_gallery(pairs, raw, form=form, pictures=pictures, name=name, out=new)
        outputs.write_result(new / "metrics.json", result)
    return result


def _add_metrics(
    result: Content, counts: ByProtocol, resamples: int
) -> dict[str, np.ndarray | None]:
    """Add the metrics of each protocol to `result`, the content of metrics.json, and return the
    error bars of its reliability diagram (`accuracy_band`) by protocol.

    Without resamples there are neither intervals, a verdict on miscalibration, nor error bars.
    """
    bins = result["bins"]
    bands = {}
    for protocol, run in counts.items():
        measured = measure(run, bins, SEED, resamples)
        result[protocol] = measured.numbers()
        result["undefined"][protocol] = measured.reasons
        if resamples:
            intervals = measured.intervals()
            result["intervals"][protocol] = dict.fromkeys(result[protocol]) | intervals
            in_error = run.images.column("correct") < run.images.column("pixels")
            wrong = int(units_with(run.images, in_error).sum())  # units that have a wrong pixel
            if wrong < FEW_GROUPS <= measured.units and protocol == "raw":
                result["warnings"].append(
                    f"{wrong} image(s) or groups have a wrong pixel: with fewer than {FEW_GROUPS} "
                    "the intervals are too narrow to detect anything"
                )
            result["miscalibration"][protocol] = miscalibration(intervals, wrong)
            bands[protocol] = accuracy_band([measured], bins)
    return bands


def miscalibration(intervals: Mapping[str, Sequence[float] | None], units: int) -> str:
    """Return the verdict on a calibration error, from the intervals of the gap and of the ECE.

    The gap is mean confidence minus accuracy. The interval of the ECE begins at 0, unless that of
    the squared error excludes 0. `tests/maps/test_miscalibration.py` measures how often calibrated
    maps are called miscalibrated.

    Args:
        intervals: metric -> its 95 % interval.
        units: number of images, or groups of them, with an error: resampling knows no others.

    Returns:
        "detected" if one of the intervals excludes 0; else "not detected" if the ECE is below its
        margin (`MARGINS`) in all of its interval; "inconclusive" otherwise, and always with fewer
        than `FEW_GROUPS` units.
    """
    gap = intervals["gap"]
    ece = intervals["ece"]
    if not gap or not ece or units < FEW_GROUPS:
        return "inconclusive"
    if ece[0] > 0 or gap[0] > 0 or gap[1] < 0:
        return "detected"
    if ece[1] < MARGINS["ece"]:
        return "not detected"
    return "inconclusive"


def groups_of(pairs: Sequence[Pair], groups: str) -> Groups:
    """Return the group of each image, (N,) numbers from 0; None if `groups` is empty.

    Args:
        stems: the names of the images.
        groups: a csv file that names the group of each image, or a pattern that finds the group in
            the stem (`data.groups`).

    Raises:
        UserError: the file or the pattern does not give a group for every image.
    """
    if not groups:
        return None
    group_names = names([pair.stem for pair in pairs], groups, find(groups, None))
    # An image without a row in the file has the name (stem,).
    unnamed = [name[0] for name in group_names if isinstance(name, tuple)]
    if unnamed:
        raise UserError(
            f"the file of groups {groups} does not name all images",
            found=f"no row for{listed(unnamed)}",
            fix="add the rows; an image without relatives gets a group of its own name",
        )
    return numbered(group_names)


def _write_images(path: Path, counts: ByProtocol, bins: int) -> None:
    """Write a csv file with a row per image: its size, and its metrics in each protocol.

    Rows are sorted by the ECE of the unnormalized maps, largest first.
    """
    images = counts["raw"].images
    columns = {name: images.column(name) for name in ("height", "width", "pixels")}
    for protocol, of_protocol in counts.items():
        for name, values in per_image(of_protocol, bins).items():
            columns[f"{protocol}_{name}"] = values
    table = []
    for image in np.argsort(-columns["raw_ece"], kind="stable"):
        cells: list[object] = [images.ids[image]]
        for values in columns.values():
            number = values[image]
            cells.append(f"{number:.6g}" if isinstance(number, float) else number)
        table.append(cells)
    write_csv(path, ["id", *columns], table)


def _draw(
    result: Content,
    counts: ByProtocol,
    bands: Mapping[str, np.ndarray | None],
    source: str,
    folder: Path,
) -> None:
    """Draw the reliability diagram of each protocol as reliability-<protocol>.svg, .pdf and .png.

    The lines above a diagram name masks, numbers of images and pixels, protocol, ECE and OE.

    Args:
        result: the content of metrics.json.
        bands: protocol -> error bars (`accuracy_band`); none without resamples.
        source: the line that names the masks.
        folder: in which the files are written.
    """
    from pipeline_src.figures import bin_tables, reliability, style  # matplotlib

    units = "images"
    if "groups" in result:
        units = "groups of images"
    for protocol, of_protocol in counts.items():
        intervals = result["intervals"].get(protocol, {})
        over = ""
        if intervals:
            over = f" · 95 % intervals over {units}"
        errors = []
        for name in ("ece", "oe"):
            metric = METRICS[name]
            text = with_ends(metric, result[protocol][name], intervals.get(name))
            errors.append(f"{metric.title} % {text}")
        shown = PROTOCOL_NAMES[protocol]
        if "classes" in result:
            shown = f"top label of {result['n_classes']} classes"
        lines = [
            source,
            f"{result['n_images']:,} images · {style.count(result['n_pixels'])} pixels",
            f"{shown} · {result['bins']} bins{over}",
            " · ".join(errors),
            reliability.KEY,
        ]
        table = bin_tables.reliability_table(
            of_protocol.histogram, result["bins"], bands.get(protocol)
        )
        reliability.save_panels(
            {"": table},  # one panel, without a name and a note
            {"": ""},
            result["name"],
            lines,
            folder / f"reliability-{protocol}",
            axis_start=bin_tables.corner([table]),
        )
