"""Entries of the registry beyond means over all pixels: errors debiased over images, bins of equal weight, rankings,
single images, regions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pipeline_src.metrics import estimators, selective
from pipeline_src.metrics.cells import CLASSES, POSITIVE, TOP
from pipeline_src.metrics.image_inputs import ImageAreas, ImageErrors
from pipeline_src.metrics.inputs import Binned, BinNoise, Input
from pipeline_src.metrics.metric import HIGH, NEITHER, SIGNED, Metric, percent, plain
from pipeline_src.metrics.ranked import Ranked
from pipeline_src.metrics.region_inputs import InRegion

GEIFMAN = "Geifman and El-Yaniv, NeurIPS 2017"
SQUARED, OVER, UNDER = "squared_error", "squared_overconfidence", "squared_underconfidence"
SQUARED_POSITIVE, SQUARED_CLASSES = "positive_squared_error", "classwise_squared_error"
FEW_IMAGES = "its variance needs two images"
ROELOFS = "Roelofs et al., AISTATS 2022"
POPORDANOSKA = "Popordanoska et al., MICCAI 2021"


def _squared(title: str, of: Input, function: Callable, definition: str, heading: str) -> Metric:
    """A squared error that decides differences of an error."""
    about = {"heading": heading, "factor": 1e4, "digits": 2, "unit": "points²", "undefined": FEW_IMAGES}
    return plain(title, of, function, definition, **about)


def _in_region(region: str, title: str, heading: str, pixels: str) -> dict[str, Metric]:
    """The calibration of the pixels of a region, and what decides differences of it."""
    return {
        f"{region}_ece": percent(
            f"ECE {title}",
            InRegion(region, Binned(TOP)),
            estimators.ece,
            f"ECE of {pixels}.",
            heading=f"{heading} ECE %",
            decided_by=f"{region}_{SQUARED}",
        ),
        f"{region}_oe": percent(
            f"OE {title}",
            InRegion(region, Binned(TOP)),
            estimators.oe,
            "OE of the same pixels.",
            heading=f"{heading} OE %",
            decided_by=f"{region}_{OVER}",
        ),
        f"{region}_{SQUARED}": _squared(
            f"squared calibration error {title}",
            InRegion(region, BinNoise(TOP)),
            estimators.squared_error,
            f"{SQUARED} of the same pixels.",
            heading=f"{heading} squared",
        ),
        f"{region}_{OVER}": _squared(
            f"squared over-confidence {title}",
            InRegion(region, BinNoise(TOP)),
            estimators.squared_overconfidence,
            f"{OVER} of the same pixels.",
            heading=f"{heading} squared over",
        ),
    }


FURTHER: dict[str, Metric] = {
    SQUARED: _squared(
        "squared calibration error",
        BinNoise(TOP),
        estimators.squared_error,
        "Σ (E_k² − V_k)/n_k/N: E_k is the summed confidence of a bin less its hits, V_k the sampling variance of E_k "
        "over images. An unbiased estimate of Σ n_k/N (conf_k − acc_k)², around 0 where there is no error. By its "
        "difference two methods are called different in calibration error.",
        heading="squared, debiased",
    ),
    OVER: _squared(
        "squared over-confidence",
        BinNoise(TOP),
        estimators.squared_overconfidence,
        "The terms of the squared calibration error of the bins in which conf_k is above acc_k; it decides "
        "differences of OE.",
        heading="squared over, debiased",
    ),
    UNDER: _squared(
        "squared under-confidence",
        BinNoise(TOP),
        estimators.squared_underconfidence,
        "The same of the bins in which conf_k is below acc_k; it decides differences of UE.",
        heading="squared under, debiased",
    ),
    SQUARED_POSITIVE: _squared(
        "squared calibration error of the positive class",
        BinNoise(POSITIVE),
        estimators.squared_error,
        f"{SQUARED} in bins of f, where E_k is the summed f of a bin less its foreground; it decides differences of "
        "positive ECE, reliability and MCB.",
        heading="positive squared, debiased",
    ),
    SQUARED_CLASSES: _squared(
        "class-wise squared calibration error",
        BinNoise(CLASSES),
        estimators.squared_error,
        f"Mean over classes of {SQUARED} in bins of p_k, a hit being a pixel of class k; it decides differences of "
        "class-wise ECE.",
        heading="class-wise squared, debiased",
    ),
    "ece_debiased": percent(
        "debiased root-mean-square calibration error",
        BinNoise(TOP),
        estimators.debiased,
        "Root of the squared calibration error, 0 where that is negative. An L2 error, in which images count as the "
        "independent units, and not pixels.",
        heading="debiased RMS %",
        undefined=FEW_IMAGES,
        decided_by=SQUARED,
    ),
    "ece_floor": percent(
        "noise floor of the ECE",
        BinNoise(TOP),
        estimators.noise_floor,
        "Mean ECE that a perfectly calibrated network of this variance over images would measure on so many of them: "
        "Σ √(2 V_k/π)/N. An ECE below it is as good as 0.",
        heading="floor %",
        better=NEITHER,
        undefined=FEW_IMAGES,
    ),
    "ece_debiased_pixels": percent(
        "root-mean-square calibration error debiased over pixels",
        Binned(TOP),
        estimators.debiased_over_pixels,
        "Root of Σ n_k/N ((conf_k − acc_k)² − acc_k (1 − acc_k)/(n_k − 1)), 0 where that sum is negative. Pixels of an "
        "image are not independent, so that it subtracts next to nothing on maps.",
        heading="debiased RMS over pixels %",
        reference=f"Bröcker, Climate Dynamics 2012; Ferro and Fricker, QJRMS 2012; {ROELOFS}",
        decided_by=SQUARED,
    ),
    "ece_debiased_authors": percent(
        "debiased error of the released program",
        Binned(TOP, 100),
        estimators.debiased_authors,
        "ece_debiased_pixels over 100 bins, with conf_k (1 − conf_k) for the variance and no root. Can be negative.",
        heading="debiased (released) %",
        digits=4,
        range=(-1, 1),
    ),
    "ace": percent(
        "average calibration error",
        Binned(TOP),
        estimators.ace,
        "Mean of abs(conf_k − acc_k) over the bins with pixels: the many sure pixels of background weigh no more than "
        "the few doubtful ones.",
        heading="ACE %",
        reference="Neumann, Zisserman, Vedaldi, NeurIPS 2018 workshop MLITS",
        decided_by=SQUARED,
    ),
    "image_ece": percent(
        "mean ECE of the images",
        ImageErrors(),
        lambda mean, spread: mean,
        "Mean over images of the image's own ECE. What differs between images does not cancel, and few pixels in a bin "
        "add noise: it is above the ECE of all pixels. Of float and 16-bit maps by 8-bit levels.",
        heading="image ECE %",
    ),
    "image_ece_sd": percent(
        "spread of the ECE over images",
        ImageErrors(),
        lambda mean, spread: spread,
        "Sample standard deviation over images of the same.",
        heading="± over images %",
        better=NEITHER,
        undefined="it needs two images",
    ),
    "augrc": plain(
        "AUGRC",
        Ranked(),
        selective.augrc,
        "Area under the generalised risk-coverage curve: mean over coverages of the errors among the pixels kept, as a "
        "share of all pixels. 0.5 if all are wrong.",
        digits=5,
        reference="Traub et al., NeurIPS 2024",
        bound=selective.augrc_bound,
        range=(0, 0.5),
    ),
    "coverage_at_1": percent(
        "coverage at 1 % risk",
        Ranked(),
        partial(selective.coverage_at_risk, one_in=100),
        "Largest share of pixels, the most confident, of which at most 1 % are wrong; 0 if there is none.",
        heading="coverage at risk 1 %",
        better=HIGH,
        reference=GEIFMAN,
    ),
    "coverage_at_5": percent(
        "coverage at 5 % risk",
        Ranked(),
        partial(selective.coverage_at_risk, one_in=20),
        "The same for 5 %.",
        heading="coverage at risk 5 %",
        better=HIGH,
        reference=GEIFMAN,
    ),
    "area_bias": percent(
        "area bias",
        ImageAreas(),
        lambda signed, absolute: signed,
        "Mean over images of mean f minus the share of foreground: above 0 where areas are overestimated. Of float and "
        "16-bit maps by 8-bit levels, where images have different numbers of pixels.",
        better=NEITHER,
        reference=POPORDANOSKA,
        range=SIGNED,
    ),
    "area_error": percent(
        "area error",
        ImageAreas(),
        lambda signed, absolute: absolute,
        "Mean over images of the absolute value of the same. Of float and 16-bit maps by 8-bit levels.",
        reference=POPORDANOSKA,
    ),
    **_in_region(
        "border",
        "at borders",
        "border",
        "the pixels near the border of an object, on either side: within 5, or what `judge --border` says",
    ),
    **_in_region("interior", "inside of objects", "inside", "the pixels of objects that are not near a border"),
}
