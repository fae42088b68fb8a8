"""images.csv: the metrics of every image, the worst calibrated first."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline_src.counting.counts import Counts, image_rows
from pipeline_src.counting.whole_maps import MEASURES
from pipeline_src.files import atomic
from pipeline_src.maps.whole_images import WholeImages
from pipeline_src.metrics.image_inputs import per_image

SIZES = ("height", "width", "pixels")


def write_images(path: Path, counts: Mapping[str, Counts], bins: int, images: Mapping[str, WholeImages]) -> None:
    """Write the metrics of each image and protocol, sorted by the ECE of the first protocol, largest first.

    Args:
        counts: by protocol.
        bins: of the ECE.
        images: measures of whole maps by protocol, if they were computed.
    """
    columns: dict[str, np.ndarray] = {}
    for protocol, of_protocol in counts.items():
        values = per_image(of_protocol, bins)
        values |= dict(zip(MEASURES, images[protocol].table.T, strict=True)) if images else {}
        columns |= {f"{protocol}_{name}": values[name] for name in values}
    rows = image_rows(next(iter(counts.values())))
    eces = [values for name, values in columns.items() if name.endswith("_ece")] or [np.zeros(len(rows))]
    sizes = np.stack([rows.column(name) for name in SIZES], axis=1)
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["id", *SIZES, *columns])
        for k in np.argsort(-np.nan_to_num(eces[0], nan=-1), kind="stable"):
            numbers = ("" if math.isnan(values[k]) else f"{values[k]:.6g}" for values in columns.values())
            writer.writerow([rows.ids[k], *sizes[k].tolist(), *numbers])
