"""Measure one package on maps: `python benchmarks/peers/measure.py PACKAGE [MAPS MASKS]` prints
JSON for `table.py`.

A package gets the arrays that its users would give it. Converting maps to them is part of its time
and memory. MAPS and MASKS are folders of 8-bit images with the same names; without them maps are
synthetic.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from ece_edges.check import CASES, wrong

BINS = 10
IMAGES = 20
FITTED = 50_000
REPETITIONS = 3
LARGEST = 16.0  # logits of probabilities 0 and 1


def read_maps(folders: list[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the first `IMAGES` maps, (H, W) float32, and their masks, uint8 of 0 and 1."""
    if folders:
        from PIL import Image

        paths = sorted(Path(folders[0]).iterdir())[:IMAGES]
        maps = [np.asarray(Image.open(path).convert("L")) / np.float32(255) for path in paths]
        files = [Path(folders[1]) / path.name for path in paths]
        masks = [np.asarray(Image.open(file).convert("L")) for file in files]
        return maps, [(mask > 127).astype(np.uint8) for mask in masks]
    rng = np.random.default_rng(0)
    logits = [4 * rng.standard_normal((300, 400), np.float32) for _ in range(IMAGES)]
    objects = [rng.random(z.shape, np.float32) < 1 / (1 + np.exp(-z)) for z in logits]
    return [1 / (1 + np.exp(-1.2 * z)) for z in logits], [mask.astype(np.uint8) for mask in objects]


def pairs(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the top label's confidence, float32, and whether it is correct, of (N,) or (N, K)."""
    if p.ndim == 2:
        return p.max(1), (p.argmax(1) == y).astype(np.int64)
    f = probabilities(p)
    return np.maximum(f, np.float32(1) - f), ((f >= 0.5) == y).astype(np.int64)


def probabilities(p: np.ndarray) -> np.ndarray:
    """Return probabilities as float32; integers are fractions of their type's largest value."""
    if p.dtype.kind == "u":
        return p / np.float32(np.iinfo(p.dtype).max)
    return p.astype(np.float32, copy=False)


class Package:
    """What a package computes; None where it has no such function."""

    # Of probabilities, and of logits, with labels, (N,) each.
    brier: Callable[[np.ndarray, np.ndarray], float] | None = None
    temperature: Callable[[np.ndarray, np.ndarray], float] | None = None

    def ece(self, maps: list[np.ndarray], masks: list[np.ndarray]) -> float:
        """Return the ECE of all pixels of some maps."""
        f, y = (np.concatenate([array.ravel() for array in arrays]) for arrays in (maps, masks))
        return self.ece_of_pixels(f, y, BINS)

    def ece_of_pixels(self, p: np.ndarray, y: np.ndarray, bins: int) -> float:
        """Return the ECE of pixels with probabilities (N,), or (N, K) of K classes."""
        return float(self.ece_of_pairs(*pairs(p, y), bins))

    def ece_of_pairs(self, confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
        raise NotImplementedError


class Ours(Package):
    def ece(self, maps, masks):
        from pipeline_src.counting.accumulate import Accumulator
        from pipeline_src.counting.levels import COARSE
        from pipeline_src.counting.sample import checked
        from pipeline_src.metrics.registry import value

        # As `DenseCalibration` counts.
        accumulator = Accumulator(protocols=["raw"], images=False, levels=COARSE)
        for f, y in zip(maps, masks, strict=True):
            accumulator.add(checked(f, y, "map"))
        return value("ece", accumulator.counts()["raw"], BINS)

    def ece_of_pixels(self, p, y, bins):
        return self.evaluation(p, y).compute(bins)["ece"]

    def brier(self, f, y):
        return self.evaluation(f, y).compute(BINS)["brier"]

    def evaluation(self, p, y):
        from pipeline_src.api import Evaluation

        p = p[None] if p.ndim == 1 else p.T[:, None]
        return Evaluation().update(p[None], y[None, None])

    def temperature(self, z, y):
        from pipeline_src.calibrators.pixels import Pixels
        from pipeline_src.calibrators.temperature import TemperatureCalibrator

        one_image = np.zeros(len(z), np.int64)
        logits = z[:, None].astype(np.float64)
        pixels = Pixels(logits, y, np.ones(len(z)), one_image, np.array([np.nan]))
        return TemperatureCalibrator.fit(pixels).temperature


class Torchmetrics(Package):
    def ece_of_pairs(self, confidence, correct, bins):
        import torch
        from torchmetrics.classification import BinaryCalibrationError

        metric = BinaryCalibrationError(n_bins=bins)
        metric.update(torch.from_numpy(confidence), torch.from_numpy(correct))
        return metric.compute()


class Netcal(Package):
    def ece_of_pairs(self, confidence, correct, bins):
        from netcal.metrics import ECE

        return ECE(bins).measure(confidence, correct)

    def temperature(self, z, y):
        from netcal.scaling import TemperatureScaling

        scaling = TemperatureScaling()
        scaling.fit(1 / (1 + np.exp(-z.astype(np.float64))), y)
        return 1 / float(np.squeeze(scaling.temperature))  # netcal keeps 1 / T


class TorchUncertainty(Package):
    def ece_of_pairs(self, confidence, correct, bins):
        import torch
        from torch_uncertainty.metrics import CalibrationError

        return CalibrationError("binary", num_bins=bins)(
            torch.from_numpy(confidence), torch.from_numpy(correct)
        )

    def brier(self, f, y):
        import torch
        from torch_uncertainty.metrics import BrierScore

        return float(BrierScore(1)(torch.from_numpy(f), torch.from_numpy(y)))

    def temperature(self, z, y):
        import torch
        from torch_uncertainty.post_processing import TemperatureScaler

        data = torch.utils.data.TensorDataset(
            *map(torch.from_numpy, (np.stack([0 * z, z], axis=1), y))
        )
        scaler = TemperatureScaler()
        scaler.fit(torch.utils.data.DataLoader(data, 10_000), progress=False)
        return float(scaler.temperature[0])


class Monai(Package):
    def ece_of_pairs(self, confidence, correct, bins):
        import torch
        from monai.metrics import CalibrationErrorMetric

        # One image of one channel, or it would average the errors of images.
        metric = CalibrationErrorMetric(bins)
        metric(torch.from_numpy(confidence)[None, None], torch.from_numpy(correct)[None, None])
        return metric.aggregate()


class Fiducio(Package):
    def ece_of_pixels(self, p, y, bins):
        from fiducio.metrics import expected_calibration_error

        return expected_calibration_error(two_classes(p), y.astype(np.int64), n_bins=bins)

    def brier(self, f, y):
        from fiducio.metrics import brier_score

        return brier_score(two_classes(f), y) / 2  # it sums over both classes

    def temperature(self, z, y):
        from fiducio import TemperatureScaling

        return TemperatureScaling().fit(np.stack([0 * z, z], axis=1), y).temperature


class Mapie(Package):
    def ece_of_pairs(self, confidence, correct, bins):
        from mapie.metrics.calibration import expected_calibration_error

        edges = bins + 1  # its num_bins counts the edges
        return expected_calibration_error(
            correct, confidence, num_bins=edges, split_strategy="uniform"
        )


class Probmetrics(Package):
    def ece_of_pairs(self, confidence, correct, bins):
        from probmetrics.metrics import CalibrationError

        return self.metric(CalibrationError(bins), confidence, correct)

    def brier(self, f, y):
        from probmetrics.metrics import BrierLoss

        return (
            float(self.metric(BrierLoss(), f, y.astype(np.int64))) / 2
        )  # without both classes it sums over pixels

    def metric(self, metric, p, y):
        import torch

        return metric.compute_from_labels_probs(
            torch.from_numpy(y), torch.from_numpy(two_classes(p))
        )

    def temperature(self, z, y):
        import torch
        from probmetrics.calibrators import TemperatureScalingCalibrator
        from probmetrics.distributions import CategoricalLogits

        calibrator = TemperatureScalingCalibrator()
        calibrator.fit_torch(
            CategoricalLogits(torch.from_numpy(np.stack([0 * z, z], axis=1))), torch.from_numpy(y)
        )
        return 1 / float(calibrator.invtemp_)


class Relplot(Package):
    def ece_of_pairs(self, confidence, correct, bins):
        from relplot.metrics import binnedECE

        return binnedECE(confidence, correct, bins)


PACKAGES = {
    "ours": Ours,
    "torchmetrics": Torchmetrics,
    "netcal": Netcal,
    "torch-uncertainty": TorchUncertainty,
    "monai": Monai,
    "fiducio": Fiducio,
    "mapie": Mapie,
    "probmetrics": Probmetrics,
    "relplot": Relplot,
}


def two_classes(p: np.ndarray) -> np.ndarray:
    """Return probabilities of two or K classes, (N, 2) or (N, K), from (N,) or (N, K)."""
    f = probabilities(p)
    return np.stack([1 - f, f], axis=1) if f.ndim == 1 else f


def measured(name: str, folders: list[str]) -> dict[str, float | str | None]:
    """Return the numbers of one package, by row of the table (`table.MEASURED`)."""
    package = PACKAGES[name]()
    maps, masks = read_maps(folders)
    pixels = sum(f.size for f in maps)
    package.ece(maps[:1], masks[:1])  # imports, and compiles
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        ece = package.ece(maps, masks)
        seconds.append(time.process_time() - start)
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    f = np.concatenate([array.ravel() for array in maps])
    y = np.concatenate([array.ravel() for array in masks])
    some = np.random.default_rng(0).permutation(f.size)[:FITTED]
    with np.errstate(divide="ignore"):
        z = np.clip(np.log(f[some]) - np.log1p(-f[some]), -LARGEST, LARGEST)
    return {
        "version": version("dense-calibration" if name == "ours" else name),
        "pixels": pixels,
        "ece": float(ece),
        "brier": package.brier and float(package.brier(f, y)),
        "temperature": package.temperature and package.temperature(z, y[some].astype(np.int64)),
        "edges": len(CASES) - len(list(wrong(package.ece_of_pixels))),
        "cases": len(CASES),
        "fastest": min(seconds) / pixels * 1e9,
        "median": float(np.median(seconds)) / pixels * 1e9,
        "megabytes": megabytes / pixels * 1e6,
    }


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    print(json.dumps(measured(sys.argv[1], sys.argv[2:])))
