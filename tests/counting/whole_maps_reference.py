"""Maps and masks made by formulas, for which `whole_maps_reference.json` has the values of pysodmetrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".json")


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Maps (H, W), uint8, uint16 or float32, with masks, uint8 of 0 and 1. Integers alone decide every value."""
    disc, ring = _disc(48, 60, 20, 33, 14), _disc(61, 43, 30, 21, 18) - _disc(61, 43, 30, 21, 11)
    two, dot, line = _disc(40, 64, 9, 10, 6) + _disc(40, 64, 30, 50, 8), _disc(17, 23, 4, 7, 0), _disc(33, 20, 2, 9, 1)
    nothing, all_of_it = np.zeros((19, 26), np.uint8), np.ones((19, 26), np.uint8)
    masks = {"disc": disc, "ring": ring, "two": two, "dot": dot, "line": line, "nothing": nothing, "all": all_of_it}
    maps = {}
    for number, (name, y) in enumerate(masks.items()):
        noise = _noise(y.shape, number)  # 0 .. 65535
        likely = (noise + 3 * 65535 * y.astype(np.uint32)) // 4
        maps |= {
            f"{name} 8 bit": ((likely >> 8).astype(np.uint8), y),
            f"{name} 16 bit": (likely.astype(np.uint16), y),
            f"{name} float": ((likely.astype(np.float64) / 65535).astype(np.float32), y),
            f"{name} narrow": ((100 + (likely >> 11)).astype(np.uint8), y),
            f"{name} two values": (255 * (likely > 40_000).astype(np.uint8), y),
            f"{name} wrong": ((255 - (likely >> 8)).astype(np.uint8), y),
            f"{name} right": (255 * y, y),
            f"{name} zero": (0 * y, y),
        }
    return maps


def _disc(height: int, width: int, row: int, column: int, radius: int) -> np.ndarray:
    rows, columns = np.ogrid[:height, :width]
    return ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).astype(np.uint8)


def _noise(shape: tuple[int, ...], number: int) -> np.ndarray:
    """uint32 of 16 bits: the upper bits of a linear congruence."""
    pixels = np.arange(shape[0] * shape[1], dtype=np.uint64).reshape(shape) + np.uint64(10_000 * number + 1)
    return (pixels * np.uint64(2654435761) % np.uint64(1 << 32) >> np.uint64(16)).astype(np.uint32)
