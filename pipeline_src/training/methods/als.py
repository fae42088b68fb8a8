"""ALS, adaptive label smoothing (docs/theory.md section 3.4).

ASLP_MC perturbs the label of an image in a random draw of each step, with a learned probability.
ALS trains on the mean of these draws, which is a smoothed label.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_src.training.methods.aslp_mc import ASLPMC


class ALS(ASLPMC):
    """Label smoothing whose strength beta_i is learned per image, in the expected form of ASLP_MC.

    ASLP_MC learns the probability alpha_i of a perturbation. The mean label of two classes is then
    (1 - 2 alpha_i beta) y + alpha_i beta, at beta = 1 the label of smoothing with the strength
    beta_i = alpha_i. So the alphas of ASLP_MC hold the strengths beta_i.

    Kind: paper
    Idea: Label smoothing with a strength per image, learned by ASLP_MC's rule.
    Formula: `L(p(y, beta_i))`, `beta_i <- clip(beta_i + eta (m_i + lam min(0, (1 - A) - beta_i)))`
    Source: Liu et al., ICCV 2023, by name; the rule is our definition
    """

    beta: float = Field(1.0, ge=1, le=1)
    """Fixed: the strength is what is learned."""
    form: Literal["expected"] = "expected"
    """Fixed: nothing is drawn."""
