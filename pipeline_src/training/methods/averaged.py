"""Averaged weights (Polyak and Juditsky, 1992; Izmailov et al., UAI 2018).

A run predicts with its weights averaged over the last epochs, which the training has stored.
"""

from __future__ import annotations

from typing import Literal

from pipeline_src.training.posthoc import PostHoc


class Averaged(PostHoc):
    """The network of a training run with its weights averaged over the last epochs.

    Kind: posthoc
    Idea: The weights of the last epochs are averaged.
    Formula: `w <- w + m (w_step - w)` after each step, `m` the inverse of the steps in
        `training.average_epochs` epochs
    Setting: An exponential average, where Izmailov et al. average equally under a cyclic learning
        rate.
    Source: Polyak and Juditsky 1992; Izmailov et al., UAI 2018
    """

    weights: Literal["averaged"] = "averaged"
