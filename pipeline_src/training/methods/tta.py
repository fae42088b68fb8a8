"""Test-time augmentation (Wang et al., Neurocomputing 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pipeline_src.training.method import Tensor
from pipeline_src.training.posthoc import PostHoc

if TYPE_CHECKING:
    from pipeline_src.training.classifier import DenseClassifier

STRIDE = 32  # sides that every network takes are multiples of it


class TTA(PostHoc):
    """The mean probability over mirror images and scales of an image, mapped back. Nothing is drawn.

    Kind: posthoc
    Idea: The predictions on mirror images (and on other scales) are averaged.
    Formula: mean of `f` over the mirror images and scales, mapped back
    Setting: The mean over augmented images is the authors'. Ours: which ones; they draw theirs, with rotations and
        noise.
    Source: Wang et al., Neurocomputing 2019
    """

    mirror: Literal["horizontal", "both"] = Field(
        "horizontal", description="Mirrored left to right, or upside down too: two images or four."
    )
    scales: list[Annotated[float, Field(gt=0)]] = Field(
        [1.0], min_length=1, description="Sizes relative to `image_size`; others than 1 are rounded to multiples of 32."
    )

    @property
    def passes(self) -> int:
        """Forward passes an image."""
        return len(self.scales) * len(self._axes)

    @property
    def _axes(self) -> list[list[int]]:
        """The axes of a batch along which each image is mirrored."""
        return [[], [3]] if self.mirror == "horizontal" else [[], [3], [2], [2, 3]]

    def logits(self, networks: list[DenseClassifier], x: Tensor, ids: list[str], seed: int) -> list[Tensor]:
        [network] = networks
        scaled = [self._scaled(x, scale) for scale in self.scales]
        return [network(image.flip(which)).flip(which) for image in scaled for which in self._axes]

    def _scaled(self, x: Tensor, scale: float) -> Tensor:
        if scale == 1:
            return x
        from pipeline_src.training.pixels import upsampled

        side = max(1, round(x.shape[2] * scale / STRIDE)) * STRIDE
        return upsampled(x, (side, side))
