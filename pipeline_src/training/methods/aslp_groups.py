"""ASLP_CL by groups (docs/theory.md section 6).

ASLP_CL (closed-loop label perturbation, `aslp_cl`) moves a target level B of perturbation until the
mean confidence C of validation images equals their accuracy A. Here object-free crops of the images
have a target level B_0 of their own, which follows C_0 - A_0 of such crops.
"""

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
    resized. All these labels are perturbed at B_0 / beta; C_0 and A_0 are measured on such squares
    of the validation images.

    Kind: ours
    Idea: ASLP_CL by groups: images and their object-free crops are each driven until confidence
        equals accuracy.
    Formula: as `aslp_cl`; for object-free crops `B_0 <- B_0 + gain (C_0 - A_0)`, `alpha = B_0 /
        beta`
    Source: ours
    """

    validates_null: ClassVar[bool] = True
    """Validation measures object-free crops as well."""
    null_images: float = Field(0.25, gt=0, lt=1)
    """Probability that an image is replaced by an object-free crop of it."""
    _null_target: float = PrivateAttr(default=0.0)  # B_0
    # Which images of the current step are object-free crops, (B,) bool.
    _replaced: np.ndarray

    def inputs(self, x: Tensor, y: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the batch after replacing randomly drawn images by object-free crops."""
        drawn = batch.uniform("null image") < self.null_images
        x, y, self._replaced = with_null_images(x, y, drawn)
        return x, y

    def levels(self, batch: Batch) -> np.ndarray:
        """Return the levels (B,): B_0 / beta for object-free crops, else the image's own alpha."""
        return np.where(self._replaced, self._null_target / self.beta, super().levels(batch))

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        """Update the alphas of those images of a step that were not replaced by crops."""
        images = ~self._replaced  # object-free crops share one level
        super().after_step(m[images], index[images], epoch)

    def after_validation(self, validation: Validation, epoch: int) -> None:
        """Move both target levels by the gaps C - A and C_0 - A_0 of the validation."""
        super().after_validation(validation, epoch)
        if epoch >= self.start_epoch and validation.null:
            self._null_target = self.moved(self._null_target, validation.null.gap)

    def history_values(self) -> dict[str, float]:
        """Return the target levels B and B_0, in the columns `mark` and `null_mark`.

        Published histories have columns of these names.
        """
        return super().history_values() | {"null_mark": self._null_target}


def with_null_images(x: Tensor, y: Tensor, drawn: np.ndarray) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return x and y with drawn images replaced by object-free crops, and which were replaced.

    Images without enough background are not replaced.

    Args:
        x: images (B, 3, H, W).
        y: labels (B, 1, H, W).
        drawn: (B,) bool.
    """
    from pipeline_src.training.pixels import resized

    x = x.clone()
    y = y.clone()
    replaced = np.zeros_like(drawn)
    for i in np.flatnonzero(drawn).tolist():
        top, left, side = largest_square((y[i, 0] == 0).cpu().numpy())
        if side >= SMALLEST * y.shape[2]:
            crop = x[i : i + 1, :, top : top + side, left : left + side]
            x[i] = resized(crop, y.shape[2:])[0]
            y[i] = 0
            replaced[i] = True
    return x, y, replaced
