"""Trained networks outside of experiments: predicted maps of images, and exported folders."""

from typing import Literal

# The file format of predicted maps. It is here, because the command line names it without torch.
Format = Literal["png8", "png16", "npy"]
