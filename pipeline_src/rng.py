"""Random draws that depend only on a key: not on the number of workers, the order or a resume."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(*key: int | str) -> np.random.Generator:
    """Return a generator that depends only on `key`, such as (seed, epoch, sample id, purpose).

    The numbers of a key are Python's: an equal integer of NumPy gives other draws.
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def torch_seed(*key: int | str) -> int:
    """Return a seed in [0, 2^63) for torch's generator (initial weights, dropout).

    It depends only on `key`.
    """
    return int(generator(*key).integers(2**63))
