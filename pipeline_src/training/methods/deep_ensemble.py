"""Deep ensembles (Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation using Deep
Ensembles, NeurIPS 2017): the mean probability of networks that differ in their seed."""

from __future__ import annotations

from typing import ClassVar

from pipeline_src.training.posthoc import PostHoc


class DeepEnsemble(PostHoc):
    """The networks of all the experiment's seeds as one run, filed under the first seed.

    Kind: posthoc
    Idea: Networks that differ only in their seed are averaged.
    Formula: mean of `f` over the seeds
    Changes: probabilities
    Cost: none, given the seeds; a prediction costs as many passes as there are seeds
    Setting: The mean of probabilities is the authors'. Ours: as many networks as the experiment has seeds, trained
        without their adversarial examples. All of them start from the same pretrained encoder, where the authors'
        start from random weights.
    Source: Lakshminarayanan et al., NeurIPS 2017
    """

    every_seed: ClassVar[bool] = True
