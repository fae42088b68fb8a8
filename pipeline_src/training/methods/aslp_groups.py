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

    With probability `null_images` a training image is replaced by its largest square without an
    object, resized. The labels of such squares are perturbed with probability B_0 / beta. C_0 and
    A_0 are the confidence and accuracy on such squares of the validation images.

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
        """Return the batch after replacing randomly drawn images by object-free crops.

        Args:
            x: standardized images (B, 3, H, W).
            y: labels (B, 1, H, W).
        """
        drawn = batch.uniform("null image") < self.null_images
        x, y, self._replaced = with_null_images(x, y, drawn)
        return x, y

    def levels(self, batch: Batch) -> np.ndarray:
        """Return the probabilities (B,) that the labels of a batch are perturbed.

        They are B_0 / beta for object-free crops, else the image's own alpha.
        """
        return np.where(self._replaced, self._null_target / self.beta, super().levels(batch))

    def after_step(self, m: np.ndarray, index: np.ndarray, epoch: int) -> None:
        """Update the alphas by those images of a step that were not replaced by crops.

        Args:
            m: margins of the step's images, (B,): how confidently logits agree with labels.
            index: places of the images in the training set, (B,).
        """
        images = ~self._replaced  # object-free crops share one level, which validation moves
        super().after_step(m[images], index[images], epoch)

    def after_validation(self, validation: Validation, epoch: int) -> None:
        """Move both target levels by the gaps between confidence and accuracy in the validation.

        The gap C - A of images moves B, the gap C_0 - A_0 of object-free crops B_0.
        """
        super().after_validation(validation, epoch)
        if epoch >= self.start_epoch and validation.null:
            self._null_target = self.moved(self._null_target, validation.null.gap)

    def history_values(self) -> dict[str, float]:
        """Return the target levels of perturbation: B of images, and B_0 of object-free crops.

        Their columns are `mark` and `null_mark`, the names in published histories.
        """
        return super().history_values() | {"null_mark": self._null_target}


def with_null_images(x: Tensor, y: Tensor, drawn: np.ndarray) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return x and y with drawn images replaced by object-free crops, and which were replaced.

    The crop is the largest square of background, resized to the image's size. An image is not
    replaced if the side of this square is below the share `SMALLEST` of the image's side.

    Args:
        x: images (B, 3, H, W).
        y: labels (B, 1, H, W).
        drawn: which images to replace, (B,) bool.
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
