"""Deep ensembles (Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation using Deep
Ensembles, NeurIPS 2017): the mean probability of networks that differ in their seed."""

from __future__ import annotations

from typing import ClassVar

from pipeline_src.training.posthoc import PostHoc


class DeepEnsemble(PostHoc):
    """The networks of all the experiment's seeds as one run, filed under the first seed."""

    every_seed: ClassVar[bool] = True
