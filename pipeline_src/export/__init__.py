"""Trained networks outside of experiments: predicted maps of images, and exported folders."""

from typing import Literal

# The file formats of predicted maps. They are here because the command line shows them without
# importing torch.
Format = Literal["png8", "png16", "npy"]
