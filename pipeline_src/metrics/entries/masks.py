"""Metrics of masks and of whole maps: overlap, F, S and E, areas."""

from __future__ import annotations

from pipeline_src.metrics import estimators
from pipeline_src.metrics.image_inputs import ClassAreas, ImageAreas, ImageMeans, MeanFCurve, PooledLevels, f_curve
from pipeline_src.metrics.metric import (
    HIGH,
    NEITHER,
    NO_FOREGROUND,
    NOT_NEGATIVE,
    SIGNED,
    Metric,
    fraction,
    percent,
    same,
)

WHOLE_MAPS = "no image has it: it is measured on whole maps, and needs masks without ignored pixels"
POPORDANOSKA = "Popordanoska et al., MICCAI 2021"

MASKS: dict[str, Metric] = {
    # With few images it is too high, since the threshold is chosen on them: intervals from 8 to 30 images contained the
    # true value in 72 to 82 % of simulated sets.
    "max_f": fraction(
        "max F",
        MeanFCurve(),
        lambda curve: curve.max(axis=-1),
        "Largest value of the mean of the images' F curves (β² = 0.3): one threshold for all images.",
        better=HIGH,
        undefined=NO_FOREGROUND,
        reference="Achanta et al., CVPR 2009",
    ),
    "mean_f": fraction(
        "mean F",
        MeanFCurve(),
        lambda curve: curve.mean(axis=-1),
        "Mean over 256 thresholds of the images' mean F curve.",
        better=HIGH,
        undefined=NO_FOREGROUND,
    ),
    "pooled_max_f": fraction(
        "max F of all pixels",
        PooledLevels(),
        lambda levels: f_curve(levels).max(axis=-1),
        "Largest F over thresholds with the pixels of all images pooled; another quantity than max F.",
        heading="pooled max F",
        better=HIGH,
        undefined=NO_FOREGROUND,
    ),
    "s_measure": fraction(
        "S-measure",
        ImageMeans("s_measure"),
        same,
        "Mean S-measure of the images.",
        heading="S",
        better=HIGH,
        undefined=WHOLE_MAPS,
        reference="Fan et al., ICCV 2017",
    ),
    "e_measure": Metric(
        title="E-measure",
        input=ImageMeans("e_measure"),
        function=same,
        definition="Mean of the images' mean E-measures over 256 thresholds.",
        heading="E",
        better=HIGH,
        undefined=WHOLE_MAPS,
        reference="Fan et al., IJCAI 2018",
        range=NOT_NEGATIVE,
    ),
    "image_mae": fraction(
        "mean MAE of the images",
        ImageMeans("absolute"),
        same,
        "Mean over images of the image's mean abs(f − y): MAE of saliency papers.",
        heading="image MAE",
        reference="Perazzi et al., CVPR 2012",
    ),
    "mean_iou": percent(
        "mIoU",
        ClassAreas(),
        estimators.mean_iou,
        "Mean of intersection over union of the classes that occur, as label or prediction.",
        better=HIGH,
        needs_true_class=True,
    ),
    "area_bias": percent(
        "area bias",
        ImageAreas(),
        lambda signed, absolute: signed,
        "Mean over images of mean f minus the share of foreground: above 0 where areas are overestimated.",
        better=NEITHER,
        reference=POPORDANOSKA,
        range=SIGNED,
    ),
    "area_error": percent(
        "area error",
        ImageAreas(),
        lambda signed, absolute: absolute,
        "Mean over images of the absolute area bias.",
        reference=POPORDANOSKA,
    ),
}
