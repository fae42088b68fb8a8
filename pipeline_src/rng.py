"""Stateless randomness: every draw has a key, so neither worker count, nor order, nor a resume can change it."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(*key: int | str) -> np.random.Generator:
    """A generator that depends on `key` alone, e.g. (seed, epoch, sample id, purpose)."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def torch_seed(*key: int | str) -> int:
    """A seed for torch's generator (initial weights, dropout) that depends on `key` alone."""
    return int(generator(*key).integers(2**63))
