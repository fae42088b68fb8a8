"""Trained networks outside of experiments: predicted maps of image files, and exported self-contained folders."""

from typing import Literal

Format = Literal[
    "png8", "png16", "npy"
]  # of predicted maps; here, because the command line names it without torch
