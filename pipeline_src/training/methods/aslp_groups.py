"""ASLP_CL by groups: a target level for images and one for object-free crops (docs/theory.md section 6)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field, PrivateAttr

from pipeline_src.data.null_images import SMALLEST, largest_square
from pipeline_src.training.method import Batch, Tensor, Validation
from pipeline_src.training.methods.aslp_cl import ASLPCL


class ASLPGroups(ASLPCL):
    """ASLP_CL that also trains on object-free crops, with their own target level B_0.

    With probability `null_images` an image is replaced by its largest square without an object,
    resized. The labels of these are all perturbed at B_0 / beta; C_0 and A_0 are measured on such
    squares of the validation images.

    Kind: ours
    Idea: ASLP_CL by groups: images and their object-free crops are each driven until confidence
        equals accuracy.
    Formula: as `aslp_cl`; for object-free crops `B_0 <- B_0 + gain (C_0 - A_0)`, `alpha = B_0 /
        beta`
    Source: ours
    """

    validates_null: ClassVar[bool] = True
    null_images: float = Field(
        0.25,
        gt=0,
        lt=1,
        description="Probability that an image is replaced by an object-free crop of it.",
    )
    _null_mark: float = PrivateAttr(default=0.0)
    _replaced: np.ndarray  # of the images of a step (B,) bool

    def start(self, n: int, references: dict[str, list[float]], classes: int = 2) -> None:
        super().start(n, references, classes)
        self._null_mark, self._replaced = 0.0, np.zeros(0, bool)

    def inputs(self, x: Tensor, y: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        x, y, self._replaced = with_null_images(
            x, y, batch.uniform("null image") < self.null_images
        )
        return x, y

    def levels(self, batch: Batch) -> np.ndarray:
        return np.where(self._replaced, self._null_mark / self.beta, super().levels(batch))

    def image_statistic(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the mean margins m_i, (B,); NaN for object-free crops, which share one level."""
        replaced = z.new_tensor(self._replaced).bool()
        return super().image_statistic(z, y).masked_fill(replaced, float("nan"))

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        images = ~np.isnan(m)
        super().after_step(m[images], index[images], epoch)

    def after_validation(self, validation: Validation, epoch: int) -> None:
        super().after_validation(validation, epoch)
        if epoch >= self.start_epoch and validation.null:
            self._null_mark = self.moved(self._null_mark, validation.null.gap)

    def history_values(self) -> dict[str, float]:
        return super().history_values() | {"null_mark": self._null_mark}


def with_null_images(x: Tensor, y: Tensor, drawn: np.ndarray) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return images (B, 3, H, W) and labels (B, 1, H, W) after object-free crops replaced those
    `drawn` (B,) bool that have enough background, and which were replaced.
    """
    from pipeline_src.training.pixels import resized

    x, y, replaced = x.clone(), y.clone(), np.zeros_like(drawn)
    for i in np.flatnonzero(drawn).tolist():
        top, left, side = largest_square((y[i, 0] == 0).cpu().numpy())
        if side >= SMALLEST * y.shape[2]:
            crop = x[i : i + 1, :, top : top + side, left : left + side]
            x[i], y[i], replaced[i] = resized(crop, y.shape[2:])[0], 0, True
    return x, y, replaced
