"""The sorts of figures, and in words how each is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A sort of figure: the heading of its gallery, and how it is read."""

    heading: str
    reading: str


# In the order of the gallery.
KINDS = {
    "tradeoff": Kind(
        "Calibration and accuracy",
        "ECE against accuracy, a point per method; the strokes are 95 % intervals over images. The best place is the "
        "upper left.",
    ),
    "overview": Kind(
        "Where the error comes from",
        "What each bin of confidence adds to the ECE: its share of pixels times confidence minus accuracy. Bars up "
        "are over-confident, bars down under-confident; together they are the ECE of all seeds' pixels. The number "
        "beside them is the ECE of the tables, the mean over seeds.",
    ),
    "overconfidence": Kind(
        "Over-confidence in and out of distribution",
        "OE of every method, a point per data set with its 95 % interval over images; the upright stroke is the mean "
        "over the data sets.",
    ),
    "entropy": Kind(
        "Predictive entropy in and out of distribution",
        "Images by the mean entropy of their pixels: upwards those in distribution, downwards those out of it; the "
        "strokes are medians. A method that knows what it does not know has the lower hill further to the right.",
    ),
    "comparison": Kind(
        "Methods compared",
        "A small reliability diagram per method, all on the same axes: the line is the accuracy in each bin of "
        "confidence, its band the 95 % interval over images, the tinted area its gap to the diagonal. The bars at the "
        "foot are the share of pixels per bin.",
    ),
    "classes": Kind(
        "Class by class",
        "A panel per method, a row per class. ECE is that of the class's probability against whether a pixel is of the "
        "class; IoU is intersection over union. Grey strokes are the first method's values.",
    ),
    "reliability": Kind(
        "Reliability",
        "Accuracy of the top label against its confidence, in bins of confidence. A bar ends at the bin's accuracy, "
        "its whisker is the 95 % interval over images; the hatched part is the gap to the bin's mean confidence. The "
        "circle marks the means over all pixels. The panel below has the share of pixels per bin: where it is small, "
        "the gap above weighs little in the ECE.",
    ),
    "joint": Kind(
        "Joint density of confidence and accuracy",
        "Images by the mean confidence and the accuracy of their pixels; darker cells hold more images, on a "
        "logarithmic scale. Images below the diagonal are judged over-confidently.",
    ),
    "risk": Kind(
        "Selective prediction",
        "The error among the most confident pixels, by the share of pixels that is kept: the lower, the better "
        "confidence tells right from wrong. The faint curves are the other methods'; the number is the mean over all "
        "shares.",
    ),
    "examples": Kind(
        "Examples",
        "Images with their masks, and how sure and how wrong two methods are. Which images are shown is decided by a "
        "hash of their ids.",
    ),
    "sweep": Kind(
        "Static label perturbation",
        "ECE, OE and accuracy over s = 2αβ, the share of the uniform label in the expected label. Equal s means equal "
        "expected labels, whatever β.",
    ),
    "alpha": Kind(
        "Learned perturbation probabilities",
        "The probability α with which each training image's label is perturbed: the median over images and the bands "
        "that hold 50 % and 90 % of them, epoch by epoch, and all of them after the last epoch.",
    ),
    "extremes": Kind(
        "Images of lowest and highest α",
        "The training images that are perturbed least and most at the end of training, their masks outlined.",
    ),
    "training": Kind(
        "Training",
        "Loss on the training images and accuracy and ECE on the validation images after each epoch; the faint curves "
        "are the other methods', a band is the range of the seeds. Losses of different methods cannot be compared.",
    ),
}
