"""LS, label smoothing: every label is mixed with the uniform one (docs/theory.md section 3)."""

from __future__ import annotations

from pydantic import Field

from pipeline_src.training.method import Batch, Method, Tensor
from pipeline_src.training.perturbation import perturbed


class LabelSmoothing(Method):
    """Targets (1 - eps) y + eps / K, for labels y of K classes.

    It is label perturbation with probability alpha = 1 and strength beta = eps (K - 1) / K.

    Kind: paper
    Idea: Every label is mixed with the uniform one.
    Formula: `L((1 - eps) y + eps U)`
    Setting: `eps` is the authors', for ImageNet. Ours: a pixel is a sample.
    Source: Szegedy et al., CVPR 2016
    """

    eps: float = Field(0.1, ge=0, lt=1)
    """Share of the uniform label, the s of docs/theory.md."""

    def targets(self, y: Tensor, batch: Batch) -> Tensor:
        """Return labels mixed with the uniform label, whose share is `eps`.

        Args:
            y: labels (B, 1, H, W) in [0, 1] for two classes, or planes (B, K, H, W).
        """
        # The uniform label gives eps / K to each class, also to the label's own: so the share that
        # moves to the other classes is eps (K - 1) / K.
        return perturbed(y, self.eps * (self._classes - 1) / self._classes)
