"""The result of the pass over all pairs of maps and masks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from pipeline_src.counting.counts import Counts
from pipeline_src.counting.loading import AnyStatistic
from pipeline_src.counting.map_range import MEANINGS
from pipeline_src.counting.regions import RegionStatistics
from pipeline_src.judging.files import Pair
from pipeline_src.judging.masks import USUAL, Meaning
from pipeline_src.metrics.protocol_counts import ProtocolCounts

INTEGERS = {np.dtype(kind): kind for kind in MEANINGS}  # names of types: making one takes longer than a map's maximum


@dataclass
class FolderCounts:
    """Counts of a folder of maps, and what was corrected in its files.

    Attributes:
        statistic: of all pixels that count.
        regions: statistics of the regions of the masks, if asked for.
        meaning: how binary masks are read.
        resized: stems of the maps that had another size than their mask.
        grey_pixels: mask pixels that were neither background nor object.
        highest: largest value by type of the maps: "uint8", "uint16" or "float".
        notes: further warnings, a line each.
    """

    statistic: AnyStatistic
    regions: RegionStatistics | None = None
    meaning: Meaning = USUAL
    resized: list[str] = field(default_factory=list)
    grey_pixels: int = 0
    highest: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def runs(self) -> dict[str, ProtocolCounts]:
        """By protocol."""
        return ProtocolCounts.by_protocol(self.statistic)

    def note_map(self, pair: Pair, probability: np.ndarray, resized: bool) -> None:
        """Note the type and size of a map."""
        kind = INTEGERS.get(probability.dtype, "float")
        self.highest[kind] = max(self.highest.get(kind, 0), probability.max())
        self.resized += [pair.stem] * resized

    @property
    def highest_at_all(self) -> float:
        """The largest value of all maps, in the units of any type."""
        return max(self.highest.values(), default=math.nan)

    def note_decisions(self, counts: Counts, more: str = "") -> None:
        """Note where every confidence is 1, of maps that are not 0 everywhere; `more` ends the line."""
        all_sure = counts.pixels == counts.count[0].sum() and not counts.position.any()
        if all_sure and counts.pixels and self.highest_at_all > 0:
            self.notes.append(
                "the maps hold 0 and 1 alone, which are decisions and no probabilities: ECE is their share of errors"
                + more
            )

    def warnings(self) -> list[str]:
        """One line per kind of warning that occurred."""
        lines = []
        if self.resized:
            some = ", ".join(self.resized[:3]) + (", ..." if len(self.resized) > 3 else "")
            lines.append(f"{len(self.resized)} map(s) had another size than their mask and were resized ({some})")
        if self.grey_pixels:
            lines.append(f"{self.grey_pixels} mask pixel(s) were neither 0 nor 255 and were cut at > 127")
        if self.highest_at_all == 0:
            lines.append("every map is 0 everywhere")
        return lines + self.notes
