"""Calibration errors of single images and of regions."""

from __future__ import annotations

from pipeline_src.metrics import estimators
from pipeline_src.metrics.entries.calibration import OVER, SQUARED, squared
from pipeline_src.metrics.image_inputs import ImageErrors
from pipeline_src.metrics.inputs import Binned, BinNoise, InRegion
from pipeline_src.metrics.metric import NEITHER, Metric, percent
from pipeline_src.metrics.protocol_counts import TOP


def _of_region(region: str, title: str, heading: str, pixels: str) -> dict[str, Metric]:
    """The calibration of the pixels of a region, and what decides differences of it."""
    return {
        f"{region}_ece": percent(
            f"ECE {title}",
            InRegion(region, Binned(TOP)),
            estimators.ece,
            f"ECE of {pixels}.",
            heading=f"{heading} ECE %",
            decided_by=f"{region}_{SQUARED}",
        ),
        f"{region}_oe": percent(
            f"OE {title}",
            InRegion(region, Binned(TOP)),
            estimators.oe,
            "OE of the same pixels.",
            heading=f"{heading} OE %",
            decided_by=f"{region}_{OVER}",
        ),
        f"{region}_{SQUARED}": squared(
            f"squared calibration error {title}",
            InRegion(region, BinNoise(TOP)),
            estimators.squared_error,
            f"{SQUARED} of the same pixels.",
            heading=f"{heading} squared",
        ),
        f"{region}_{OVER}": squared(
            f"squared overconfidence {title}",
            InRegion(region, BinNoise(TOP)),
            estimators.squared_overconfidence,
            f"{OVER} of the same pixels.",
            heading=f"{heading} squared over",
        ),
    }


REGIONS: dict[str, Metric] = {
    "image_ece": percent(
        "mean ECE of the images",
        ImageErrors(),
        lambda mean, spread: mean,
        "Mean over images of the image's own ECE. What differs between images does not cancel, and few pixels in a bin "
        "add noise: it is above the ECE of all pixels. Of float and 16-bit maps by 8-bit levels.",
        heading="image ECE %",
    ),
    "image_ece_sd": percent(
        "spread of the ECE over images",
        ImageErrors(),
        lambda mean, spread: spread,
        "Sample standard deviation over images of their ECE.",
        heading="± over images %",
        better=NEITHER,
        undefined="it needs two images",
    ),
    **_of_region(
        "border",
        "at borders",
        "border",
        "the pixels near the border of an object, on either side: within 5 pixels",
    ),
    **_of_region("interior", "inside of objects", "inside", "the pixels of objects that are not near a border"),
}
