"""Inputs of metrics from the pixels of a region of the images, such as the border of objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline_src.counting.score_histogram import UndefinedMetricError
from pipeline_src.metrics.inputs import Input
from pipeline_src.metrics.protocol_counts import Columns, ProtocolCounts


@dataclass(frozen=True)
class InRegion(Input):
    """What another input is of all pixels, of those in a region (`counting.regions`).

    Attributes:
        region: its name.
        input: the other input.
    """

    region: str
    input: Input
    classes = "two"

    @property
    def description(self) -> str:
        return f"{self.input.description}, {self.region}"

    @property
    def family(self) -> object:
        return self.region, self.input.family

    @property
    def few(self) -> bool:
        return self.input.few

    @property
    def centred(self) -> bool:
        return self.input.centred

    def of_units(self, columns: np.ndarray) -> np.ndarray:
        return self.input.of_units(columns)

    def exact(self, counted: ProtocolCounts, bins: int) -> tuple:
        if self.region not in counted.regions:
            raise UndefinedMetricError("the regions of the masks were not counted")
        if counted.regions[self.region].counts.pixels == 0:
            raise UndefinedMetricError(f"no pixel lies in the {self.region} of an object")
        return self.input.exact(counted.of_regions[self.region], bins)

    def columns(self, counted: ProtocolCounts, bins: int) -> Columns:
        return self.input.columns(counted.of_regions[self.region], bins)

    def from_sums(self, sums: np.ndarray, bins: int) -> tuple:
        return self.input.from_sums(sums, bins)
