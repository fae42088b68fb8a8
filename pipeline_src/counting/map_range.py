"""Whether integer maps were saved on the scale that they are read on: 0 to 255, or to 65,535, for 0 to 1."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline_src.errors import UserError

MEANINGS = {"uint8": (1, "decisions 0 and 1"), "uint16": (255, "8-bit values")}  # of maps that stay below a value


def check_range(highest: Mapping[str, float], maps: str) -> None:
    """Check that integer maps are probabilities.

    Args:
        highest: the largest value of all maps of a type.
        maps: what to call them.

    Raises:
        UserError: all maps of a type hold such small values that they mean something else.
    """
    for kind, (low, meaning) in MEANINGS.items():
        if 0 < highest.get(kind, 0) <= low:
            raise UserError(
                f"the {kind} {maps} look like {meaning}: read as probabilities, all would be nearly 0",
                found=f"no value above {highest[kind]}",
                expected=f"0 to {np.iinfo(kind).max} for probabilities from 0 to 1",
                fix=f"save round({np.iinfo(kind).max} * probability), or floats as .npy if the values are so small",
            )


def low_range(highest: Mapping[str, float]) -> list[str]:
    """Warnings where no map of a type has a probability above 0.5, though there are objects."""
    return [
        f"no {kind} map has a value above {highest[kind]} of {top}, and the masks have objects: if {highest[kind]} "
        f"or less stands for probability 1, the maps are on another scale; save round({top} * probability)"
        for kind in MEANINGS
        if 0 < highest.get(kind, 0) <= (top := int(np.iinfo(kind).max)) // 2
    ]
