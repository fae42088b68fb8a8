"""mixup: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond empirical risk minimization" (ICLR 2018); for calibration
Thulasidasan, Chennupati, Bilmes, Bhattacharya and Michalak, "On mixup training: Improved calibration and predictive
uncertainty for deep neural networks" (NeurIPS 2019)."""

from __future__ import annotations

from pydantic import Field

from pipeline_src.training.method import Batch, Method, Tensor


class Mixup(Method):
    """Trains on mixes of images and, with the same share and partner, of their labels:

    x_i <- share x_i + (1 - share) x_j,   y_i <- share y_i + (1 - share) y_j,   share ~ Beta(a, a) once per batch,

    with j from a permutation of the batch. The dense form is ours: masks are mixed pixel by pixel, and a pixel that is
    ignored in either image is ignored in the mix.

    Kind: rivals
    Idea: Train on mixes of two images and of their labels.
    Formula: `L(share y_i + (1 - share) y_j)` on `share x_i + (1 - share) x_j`, `share ~ Beta(a, a)`
    Changes: images and labels
    Cost: none measurable
    Setting: One share per batch, as in the program of Zhang et al.; `a` is what they take for ImageNet, while that
        program, for CIFAR-10, takes 1. What Thulasidasan et al. take was not confirmed. Ours: masks are mixed pixel by
        pixel.
    Source: Zhang et al., ICLR 2018; for calibration Thulasidasan et al., NeurIPS 2019
    """

    a: float = Field(0.2, gt=0, description="Shape of the Beta distribution: near 0 hardly any mixing, 1 is uniform.")

    def inputs(self, x: Tensor, y: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        draws = batch.generator("mixup")
        share, partner = float(draws.beta(self.a, self.a)), draws.permutation(len(x)).tolist()
        return mix(x, y, share, partner)


def mix(x: Tensor, y: Tensor, share: float, partner: list[int]) -> tuple[Tensor, Tensor]:
    """Images x (B, 3, H, W) and labels y (B, 1 or K, H, W), each mixed with the image that `partner` (B,) names."""
    from pipeline_src.training.pixels import valid

    mixed = share * y + (1 - share) * y[partner]
    if y.shape[1] > 1:
        counts = valid(y)
        mixed = mixed * (counts & counts[partner])[:, None]
    return share * x + (1 - share) * x[partner], mixed
