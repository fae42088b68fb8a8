"""ASLP_CL with alphas of other images (docs/theory.md section 6).

Alpha is the probability that an image's label is perturbed. The method is a control: it shows
whether it matters that each image has the alpha that it learned itself.
"""

from __future__ import annotations

import numpy as np

from pipeline_src.rng import generator
from pipeline_src.training.method import Batch
from pipeline_src.training.methods.aslp_cl import ASLPCL


class ASLPCLPermuted(ASLPCL):
    """ASLP_CL that perturbs an image's label with the alpha that another image learned. One random
    permutation of all training images, the same for every seed, names the other image.

    Kind: ours
    Idea: A control of ASLP_CL: each image is perturbed by the alpha that another image learned.
    Formula: as `aslp_cl`, with `alpha_pi(i)` in the label of image i, `pi` a fixed random
        permutation of the images
    Source: ours
    """

    def levels(self, batch: Batch) -> np.ndarray:
        """Return the alphas (B,) that the images of a batch are perturbed with.

        Each is the alpha of another image, which one fixed permutation of the training set names.
        """
        n = len(self._alphas)
        # The key has no seed and no step: the permutation is always the same.
        other_images = generator("aslp_cl_permuted", n).permutation(n)
        return self._alphas.take(other_images.take(batch.index))
