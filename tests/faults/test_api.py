"""Wrong arguments of what other programs import."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import torch
from bad_input import BadInput, refusals

from pipeline_src.api import ASLP, SCBCE, DenseCalibration, Statistic, reliability_diagram

F, Y = np.full((2, 4, 5), 0.25, np.float32), np.zeros((2, 4, 5), np.uint8)
P, K = np.full((2, 4, 4, 5), 0.25, np.float32), np.zeros((2, 4, 5), np.uint8)
Z, T = torch.zeros(2, 1, 4, 5), torch.zeros(2, 4, 5, dtype=torch.long)


def row(
    name: str, fault: str, call: Callable[[], object], what: str, found: str = "", expected: str = "", do: str = ""
):
    happens = "the call is refused before it counts or computes anything"
    return BadInput(name, fault, lambda _: call(), what, found, expected, do, happens=happens)


def counting(f: object, y: object) -> Callable[[], object]:
    return lambda: Statistic().update(f, y)


def saved() -> dict:
    """The state of a metric that keeps it in checkpoints."""
    metric = DenseCalibration()
    metric.persistent(True)
    return metric.state_dict()


def scaled(kind: type, top: int) -> Statistic:
    """Of maps up to a value, of two processes: one image alone may have none above it."""
    maps = np.linspace(0, top, F.size).reshape(F.shape).astype(kind)
    other = Statistic().update(maps[1:], Y[1:])
    return pickle.loads(pickle.dumps(Statistic().update(maps[:1], Y[:1]).merge(other)))


ROWS = [
    row(
        "shapes",
        "probabilities and masks of different sizes",
        counting(F, Y[:, 1:]),
        "probabilities and masks do not fit",
        r"\(2, 4, 5\) and \(2, 3, 5\)",
        r"\(N, K, H, W\)",
    ),
    row("numbers", "more maps than masks", counting(F, Y[:1]), "do not fit", r"\(2, 4, 5\) and \(1, 4, 5\)", "masks"),
    row("logits", "logits of an object", counting(4 * F - 9, Y), "holds values that are no", "-8", "0, 1", "sigmoid"),
    row("nan", "a map with NaN", counting(F * np.nan, Y), "holds values that are not probabilities", "nan", "0, 1"),
    row(
        "class-logits",
        "logits of classes",
        counting(P * 9, K),
        "not probabilities of several classes",
        "8",
        "sum to 1",
        "softmax",
    ),
    row(
        "class-bfloat16",
        "probabilities of classes that were rounded to bfloat16",
        counting(torch.tensor([0.2, 0.2, 0.3, 0.3]).bfloat16().view(1, 4, 1, 1), K[:1, :1, :1]),
        "not probabilities of several classes",
        "off 1",
        "sum to 1",
        "softmax in float32",
    ),
    row(
        "two-channels",
        "two channels that are no pair",
        counting(P[:, :2], K),
        "not probabilities",
        "0.5 off 1",
        "sum to 1",
    ),
    *(
        row(
            f"{kind.__name__}-of-{name}",
            f"{fault} as {kind.__name__}",
            lambda kind=kind, top=top: scaled(kind, top).compute(),
            f"the {kind.__name__} maps look like {fault}",
            f"no value above {top}",
            do="save round",
        )
        for kind, top, name, fault in ((np.uint16, 255, "255", "8-bit values"), (np.uint8, 1, "1", "decisions 0 and 1"))
    ),
    row("whole-maps", "probabilities as int64", counting(F.astype(int), Y), "unknown type", "int64", "float32"),
    row(
        "masked-array",
        "a masked array: its masked values would count",
        counting(np.ma.masked_less(F + np.eye(4, 5, dtype=np.float32) / 2, 0.5), Y),
        "a masked array has masked values",
        expected="masks say which",
        do="filled",
    ),
    row(
        "float-bins", "bins that are no number", lambda: Statistic().compute(10.0), "a whole number", "10.0", "divisor"
    ),
    row("grey-mask", "a grey mask", counting(F, Y + 7), "unknown labels", "7", "0 background", "mask > 127"),
    row("float-mask", "a mask of floats", counting(F, F), "unknown labels", "float32", "whole numbers", r"mask > 0\.5"),
    row(
        "object-255",
        "a mask of 0 and 255",
        counting(F, Y + np.uint8(np.eye(4, 5) * 255)),
        "no foreground, and 255",
        "255",
        "1",
        r"127(.*)Statistic\(ignore=255\)",
    ),
    row(
        "loss-object-255",
        "labels of 0 and 255 in a loss, of which the background alone would be trained on",
        lambda: SCBCE()(Z, T + (255 * torch.eye(4, 5)).long()),
        "the masks have no foreground, and 255 may be it",
        r"\[0, 255\]",
        "1 for foreground",
        r"127(.*)SCBCE\(\.\.\., ignore=255\)",
    ),
    row(
        "loss-arrays",
        "arrays in the place of a loss's tensors",
        lambda: SCBCE()(Z.numpy(), T.numpy()),
        "the loss takes tensors",
        "ndarray",
        "torch.Tensor",
        "as_tensor",
    ),
    row(
        "lists",
        "lists in the place of a metric's images",
        lambda: DenseCalibration().update(F.tolist(), Y.tolist()),
        "these are no images",
        "list",
        "arrays or tensors",
    ),
    row(
        "merged-report",
        "a report merged into a statistic",
        lambda: Statistic().merge(Statistic().update(F, Y).compute()),
        "merge takes another statistic",
        "CalibrationReport",
        "a Statistic",
        "then `compute`",
    ),
    row(
        "merged-itself",
        "a statistic merged into itself, whose images would count twice",
        lambda: (whole := Statistic().update(F, Y)).merge(whole),
        "merge takes another statistic",
        "itself",
        "a Statistic",
    ),
    row(
        "other-state",
        "saved counts of a metric with other names",
        lambda: DenseCalibration(["aurc"]).load_state_dict(saved()),
        "those of a metric with other names or bins",
        r"\(76, 2, 2\)",
        r"\(33151, 2, 2\), for names=\['aurc'\] and bins=10",
        "that it was saved with",
    ),
    row(
        "diagram-of-report",
        "a diagram of a report",
        lambda: reliability_diagram(Statistic().update(F, Y).compute()),
        "drawn from counts",
        "CalibrationReport",
        "a Statistic or a DenseCalibration",
        r"Statistic\(\)\.update",
    ),
    row(
        "diagram-of-arrays",
        "a diagram of probabilities and masks",
        lambda: reliability_diagram(F, Y),
        "drawn from counts",
        "ndarray",
        "a Statistic or a DenseCalibration",
        r"Statistic\(\)\.update",
    ),
    row("class-ids", "a class id that does not exist", counting(P, K + 4), "class ids", "4", "from 0 to 3"),
    row(
        "names",
        "too few names",
        lambda: Statistic().update(F, Y, ["a"]),
        "names do not fit the images",
        "1 for 2",
        "one for each",
    ),
    row(
        "same-name",
        "a name that comes twice",
        lambda: Statistic().update(F, Y, ["a", "a"]),
        "the image a was already counted",
        expected="every image once",
    ),
    row(
        "mixed",
        "maps of an object after maps of classes",
        lambda: Statistic().update(P, K).update(F, Y),
        "different numbers of classes",
        "2 after 4",
        do="a Statistic for each",
    ),
    row(
        "merged",
        "two parts of different classes",
        lambda: Statistic().update(P, K).merge(Statistic().update(F, Y)),
        "different numbers of classes",
        "2 after 4",
        do="a Statistic for each",
    ),
    row(
        "bins",
        "a number of bins that edges cannot meet exactly",
        lambda: Statistic().update(F, Y).compute(bins=7),
        "number of bins",
        "7",
        "divisor of 66300",
    ),
    row(
        "nothing-to-draw",
        "a diagram of nothing",
        lambda: reliability_diagram(Statistic()),
        "nothing to draw",
        "no pixel",
        do="update",
    ),
    row(
        "metric-name",
        "a misspelt metric",
        lambda: DenseCalibration(("ecee",)),
        "names: 'ecee' is not a metric",
        "ecee",
        "ece, mce",
        "did you mean 'ece'",
    ),
    row(
        "metric-of-images",
        "a metric that needs images one by one",
        lambda: DenseCalibration(("ece", "brier")),
        "names: 'brier' is not a metric of counts alone",
        "brier",
        "ece, mce",
        "Statistic has",
    ),
    row(
        "metric-text",
        "a metric's name where a list of them belongs",
        lambda: DenseCalibration("ece"),
        "names must be a list",
        "'ece'",
        "names of metrics",
        r"names=\[",
    ),
    row(
        "metric-ignore",
        "an ignored label that is a text",
        lambda: DenseCalibration(ignore="x"),
        "must be a label",
        "'x'",
        "whole",
    ),
    row(
        "ignore",
        "an ignored label that is true",
        lambda: Statistic(ignore=True),
        "must be a label",
        "True",
        "whole",
        "255",
    ),
    row("metric-bins", "bins of a metric", lambda: DenseCalibration(bins=7), "number of bins", "7", "divisor of 66300"),
    row("loss-shapes", "labels of another size", lambda: SCBCE()(Z, T[:, 1:]), "do not fit", "3, 5", r"\(B, K, H, W\)"),
    row(
        "loss-classes",
        "logits of K classes",
        lambda: SCBCE()(torch.zeros(2, 7, 4, 5), T),
        "do not fit",
        "classes=2",
        "K",
    ),
    row("loss-labels", "labels that are no classes", lambda: SCBCE()(Z, T + 3), "unknown labels", r"\[3\]", "0 to 1"),
    row(
        "loss-floats",
        "ignored pixels among labels that are floats: 255 was a target",
        lambda: SCBCE()(Z, T.float() + 255),
        "unknown labels",
        r"\[255.0\]",
        "whole numbers from 0 to 1, and 255 (.*) floats from 0 to 1",
    ),
    row(
        "loss-nan",
        "labels that are NaN",
        lambda: SCBCE()(Z, T * torch.nan),
        "unknown labels",
        "nan",
        "whole numbers",
    ),
    row(
        "loss-soft",
        "soft labels of two planes, which were cut to whole numbers",
        lambda: SCBCE()(torch.zeros(2, 2, 4, 5), T + 0.7),
        "unknown labels",
        r"\[0\.69",
        "whole numbers from 0 to 1",
    ),
    row("loss-empty", "a batch without images", lambda: SCBCE()(Z[:0], T[:0]), "do not fit", r"\(0, 1, 4, 5\)", "B"),
    row(
        "loss-alpha",
        "a level that inverts labels",
        lambda: SCBCE(0.6),
        "SCBCE has invalid values(?s:.*)alpha must be below",
    ),
    row(
        "loss-parameter",
        "an unknown parameter",
        lambda: SCBCE(betta=1),
        "SCBCE has invalid values(?s:.*)betta: no such key.*'beta'",
    ),
    row(
        "rule",
        "a rule that does not exist",
        lambda: ASLP(3, "mcc"),
        "ASLP: there is no such rule",
        "'mcc'",
        "mc, mei, cl",
    ),
    row(
        "other-run",
        "a rule that needs the baseline's run",
        lambda: ASLP(3, theta_lm="baseline"),
        "needs another run",
        "theta_lm='baseline'",
        do="leave out theta_lm",
    ),
    row("index", "an image that does not exist", lambda: ASLP(2)(Z, T, [0, 2]), "index", r"\[0, 2\]", "from 0 to 1"),
    row("index-length", "too few indices", lambda: ASLP(2)(Z, T, [0]), "index does not name", r"\[0\]", "2 numbers"),
    row(
        "index-type",
        "indices that are no whole numbers",
        lambda: ASLP(2)(Z, T, torch.tensor([0.0, 1.0])),
        "index does not name",
        r"\[0.0, 1.0\]",
        "2 numbers from 0 to 1",
    ),
    row("images", "a negative number of images", lambda: ASLP(-1), "number of images is negative", "-1", "training"),
    row(
        "percent",
        "an accuracy in percent, or NaN",
        lambda: ASLP(3).end_epoch(95.0),
        "not a fraction",
        "accuracy=95.0",
        "from 0 to 1",
        "by 100",
    ),
    row(
        "other-checkpoint",
        "a checkpoint of ASLP with other images, another rule or other classes",
        lambda: ASLP(3).load_state_dict(ASLP(4).state_dict()),
        "the checkpoint is of another one",
        "'mc', 4 images, 2 classes",
        "'mc', 3 images, 2 classes",
        "same settings and images",
    ),
    row(
        "no-gap",
        "the closed loop without its gap",
        lambda: ASLP(3, "cl").end_epoch(0.9),
        "end_epoch: rule='cl'",
        expected="both numbers",
    ),
]


test_it_is_refused = refusals(ROWS)
