"""Temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017): one number for all logits."""

from __future__ import annotations

import logging
from math import ceil
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline_src.rng import generator
from pipeline_src.training.posthoc import PostHoc

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier

log = logging.getLogger(__name__)

LIMIT = 2**23  # about as many logits of validation pixels are held at once, 64 MB
BOUNDS = (1e-2, 1e2)


class Temperature(PostHoc):
    """Probabilities of z / T, where T minimises the NLL of all valid validation pixels pooled, as ECE pools them.

    The NLL is that of logits upsampled to the original mask size. Of more than 2^23 / K pixels the same share of each
    image is taken, without replacement and keyed by its id, and a taken pixel stands for as many as its image has per
    taken one, so that an image weighs exactly its valid pixels. Ignored pixels never count. The class of a pixel stays
    what it was, but for logits so near 0 (within 6e-8, or 6e-8 T) that their probability rounds to 0.5.

    Kind: posthoc
    Idea: One number, fitted on the validation images, divides all logits.
    Formula: `f = sigmoid(z / T)`, `T` of least NLL on the validation images
    Changes: probabilities
    Cost: none; the fit is one pass over the validation images
    Setting: The authors' criterion, NLL on the validation set. Ours: a pixel stands for a sample.
    Source: Guo et al., ICML 2017
    """

    fits: ClassVar[bool] = True

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> dict[str, float]:
        z, labels, weights = sampled(networks[0], store, experiment)
        temperature = minimised(z, labels, weights)
        if not 1.001 * BOUNDS[0] < temperature < BOUNDS[1] / 1.001:
            log.warning("the temperature %g lies at a bound: the validation pixels don't determine it", temperature)
        return {
            "temperature": temperature,
            "nll_before": nll(z, labels, weights, 1.0),
            "nll_after": nll(z, labels, weights, temperature),
            "pixels": float(weights.sum()),
            "sampled": len(z),
        }

    def probability(self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, float]) -> np.ndarray:
        from pipeline_src.training.pixels import upsampled

        # Divided at the original size: before, the upsampling would round differently for each T.
        scaled = [upsampled(z[None], size)[0] / fitted["temperature"] for z in logits]
        return super().probability(scaled, size, fitted)


def sampled(network: DenseClassifier, store: Store, experiment: Experiment) -> tuple[np.ndarray, ...]:
    """Validation pixels: logits (N, C) float64, C = 1 or K, classes (N,) int64, and how many valid pixels of its image
    each stands for, (N,) float64."""
    import torch

    from pipeline_src.training.pixels import upsampled
    from pipeline_src.training.samples import evaluation_batches

    share = LIMIT / (network.classes * sum(row.height * row.width for row in store.index))
    kept_z, kept_labels, kept_weights = [], [], []
    for batch in evaluation_batches(store, experiment, network.mean.device):
        with torch.inference_mode():
            logits = network(batch["inputs"])
        for z, truth, name in zip(logits, batch["truth"], batch["id"], strict=True):
            valid = np.flatnonzero(truth.ravel() < network.classes)  # 255 is ignored
            chosen = valid
            if share < 1:
                chosen = generator(name, "temperature").choice(valid, ceil(share * len(valid)), replace=False)
            kept_z.append(upsampled(z[None], truth.shape)[0].flatten(1)[:, chosen].T.double().cpu().numpy())
            kept_labels.append(truth.ravel()[chosen].astype(np.int64))
            kept_weights.append(np.full(len(chosen), len(valid) / max(len(chosen), 1)))
    return np.concatenate(kept_z), np.concatenate(kept_labels), np.concatenate(kept_weights)


def nll(z: np.ndarray, labels: np.ndarray, weights: np.ndarray, temperature: float) -> float:
    """Mean negative log-likelihood in nats of logits (N, C) at a temperature, with weights (N,); sigmoid for C = 1,
    softmax above. Not clamped, since logits can't be infinitely sure."""
    from scipy.special import logsumexp

    z = z / temperature
    if z.shape[1] == 1:
        of_pixel = np.logaddexp(0, (1 - 2 * labels) * z[:, 0])
    else:
        of_pixel = logsumexp(z, axis=1) - z[np.arange(len(z)), labels]
    return float(weights @ of_pixel / weights.sum())


def minimised(z: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """The temperature in `BOUNDS` of least NLL. NLL is convex in 1/T, so there is one minimum."""
    from scipy.optimize import minimize_scalar

    result = minimize_scalar(
        lambda log_t: nll(z, labels, weights, np.exp(log_t)),
        bounds=np.log(BOUNDS),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(result.x))
