"""mixup (Zhang et al., ICLR 2018; for calibration Thulasidasan et al., NeurIPS 2019).

Networks train on weighted means of two images and of their labels.
"""

from __future__ import annotations

from pydantic import PositiveFloat

from pipeline_src.training.method import Batch, Method, Tensor


class Mixup(Method):
    """Trains on mixes of images and, pixel by pixel, of their masks. The partner j is drawn by a
    permutation of the batch. A pixel that is ignored in either image is ignored in the mix.

    Kind: comparison
    Idea: Train on mixes of two images and of their labels.
    Formula: `L(share y_i + (1 - share) y_j)` on `share x_i + (1 - share) x_j`, `share ~ Beta(a, a)`
    Setting: One share per batch, as in the program of Zhang et al.; `a` is theirs for ImageNet (1
        for CIFAR-10). The value of Thulasidasan et al. was not confirmed. Ours: masks are mixed
        pixel by pixel.
    Source: Zhang et al., ICLR 2018; for calibration Thulasidasan et al., NeurIPS 2019
    """

    a: PositiveFloat = 0.2
    """Shape of the Beta distribution: near 0 hardly any mixing, 1 is uniform."""

    def inputs(self, x: Tensor, y: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the batch after mixing each image and its label with a partner's.

        Args:
            x: standardized images (B, 3, H, W).
            y: labels (B, 1 or K, H, W).
        """
        draws = batch.generator("mixup")
        share = float(draws.beta(self.a, self.a))
        partner = draws.permutation(len(x)).tolist()
        return mix(x, y, share, partner)


def mix(x: Tensor, y: Tensor, share: float, partner: list[int]) -> tuple[Tensor, Tensor]:
    """Return images and labels, each mixed with the image and label of a partner in the batch.

    Args:
        x: images (B, 3, H, W).
        y: labels (B, 1 or K, H, W).
        share: weight of an image itself; the partner has 1 - share.
        partner: place in the batch of each image's partner, (B,).
    """
    from pipeline_src.training.pixels import planes, valid

    is_valid = valid(planes(y))[:, None]  # False for ignored pixels
    # Of K classes, all planes of a pixel that is ignored in either image are 0, which means
    # ignored. One plane has no ignored pixels.
    y = (share * y + (1 - share) * y[partner]) * (is_valid & is_valid[partner])
    return share * x + (1 - share) * x[partner], y
