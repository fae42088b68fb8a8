"""Deep ensembles (Lakshminarayanan et al., NeurIPS 2017).

The probabilities of networks that differ only in their seed are averaged
(`PostHoc.probability`).
"""

from __future__ import annotations

from typing import ClassVar

from pipeline_src.training.posthoc import PostHoc


class DeepEnsemble(PostHoc):
    """The mean probability of the networks of a method (`of`, by default the baseline) with all
    seeds of the experiment: one run, filed under the first seed.

    Kind: posthoc
    Idea: The probabilities of networks that differ only in their seed are averaged.
    Formula: mean of `f` over the seeds
    Setting: The mean of probabilities is the authors'. Ours: one network per seed, no adversarial
        examples, and the same pretrained encoder, where the authors start from random weights.
    Source: Lakshminarayanan et al., NeurIPS 2017
    """

    every_seed: ClassVar[bool] = True
