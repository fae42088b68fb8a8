"""Temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017): one number for all logits."""

from __future__ import annotations

import logging
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

PIXELS = 4096
BOUNDS = (1e-2, 1e2)


class Temperature(PostHoc):
    """Probabilities of z / T, where T minimises the NLL of validation pixels.

    The NLL is that of logits upsampled to the original mask size, of a sample: up to 4,096 pixels of each validation
    image, drawn without replacement and keyed by its id; ignored pixels never. The class of a pixel stays what it was,
    but for logits so near 0 (within 6e-8, or 6e-8 T) that their probability rounds to 0.5.

    Kind: posthoc
    Idea: One number, fitted on the validation images, divides all logits.
    Formula: `f = sigmoid(z / T)`, `T` of least NLL on the validation images
    Changes: probabilities
    Cost: none; the fit is one pass over the validation images
    Source: Guo et al., ICML 2017
    """

    fits: ClassVar[bool] = True

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> dict[str, float]:
        z, labels = sampled(networks[0], store, experiment)
        temperature = minimised(z, labels)
        if not 1.001 * BOUNDS[0] < temperature < BOUNDS[1] / 1.001:
            log.warning("the temperature %g lies at a bound: the validation pixels don't determine it", temperature)
        return {
            "temperature": temperature,
            "nll_before": nll(z, labels, 1.0),
            "nll_after": nll(z, labels, temperature),
            "pixels": len(z),
        }

    def probability(self, logits: list[Tensor], size: tuple[int, int], fitted: dict[str, float]) -> np.ndarray:
        from pipeline_src.training.pixels import upsampled

        # Divided at the original size: before, the upsampling would round differently for each T.
        scaled = [upsampled(z[None], size)[0] / fitted["temperature"] for z in logits]
        return super().probability(scaled, size, fitted)


def sampled(network: DenseClassifier, store: Store, experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Validation pixels: logits (N, C) float64, C = 1 or K, and classes (N,) int64."""
    import torch

    from pipeline_src.training.pixels import upsampled
    from pipeline_src.training.samples import evaluation_batches

    kept_z, kept_labels = [], []
    for batch in evaluation_batches(store, experiment, network.mean.device):
        with torch.inference_mode():
            logits = network(batch["inputs"])
        for z, truth, name in zip(logits, batch["truth"], batch["id"], strict=True):
            valid = np.flatnonzero(truth.ravel() < network.classes)  # 255 is ignored
            if len(valid) > PIXELS:
                valid = generator(name, "temperature").choice(valid, PIXELS, replace=False)
            kept_z.append(upsampled(z[None], truth.shape)[0].flatten(1)[:, valid].T.double().cpu().numpy())
            kept_labels.append(truth.ravel()[valid].astype(np.int64))
    return np.concatenate(kept_z), np.concatenate(kept_labels)


def nll(z: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    """Mean negative log-likelihood in nats of logits (N, C) at a temperature; sigmoid for C = 1, softmax above. Not
    clamped, since logits can't be infinitely sure."""
    from scipy.special import logsumexp

    z = z / temperature
    if z.shape[1] == 1:
        return float(np.logaddexp(0, (1 - 2 * labels) * z[:, 0]).mean())
    return float((logsumexp(z, axis=1) - z[np.arange(len(z)), labels]).mean())


def minimised(z: np.ndarray, labels: np.ndarray) -> float:
    """The temperature in `BOUNDS` of least NLL. NLL is convex in 1/T, so there is one minimum."""
    from scipy.optimize import minimize_scalar

    result = minimize_scalar(
        lambda log_t: nll(z, labels, np.exp(log_t)), bounds=np.log(BOUNDS), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(result.x))
