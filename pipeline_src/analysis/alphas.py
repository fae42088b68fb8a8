"""Learned perturbation levels at the end of training: over windows of epochs, since an image's alpha saws."""

from __future__ import annotations

WINDOWS = 5  # into which the epochs are cut


def window(epochs: int, ago: int = 0) -> slice:
    """The last fifth of so many epochs, or that so many fifths `ago`; at least one epoch."""
    length = max(1, epochs // WINDOWS)
    return slice(epochs - (ago + 1) * length, epochs - ago * length)
