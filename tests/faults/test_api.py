"""Wrong arguments of what other programs import: each is refused before anything is counted, and named."""

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


def row(name: str, fault: str, call: Callable[[], object], named: str) -> BadInput:
    happens = "the call is refused before it counts or computes anything"
    return BadInput(name, fault, lambda _: call(), "", named, happens=happens)


def counting(f: object, y: object) -> Callable[[], object]:
    return lambda: Statistic().update(f, y)


def scaled(kind: type, top: int) -> Callable[[], object]:
    """Of maps up to a value, of two processes: one image may have none above it."""
    maps = np.linspace(0, top, F.size).reshape(F.shape).astype(kind)
    other = Statistic().update(maps[1:], Y[1:])
    return pickle.loads(pickle.dumps(Statistic().update(maps[:1], Y[:1]).merge(other))).compute


ROWS = [
    row("shapes", "probabilities and masks of different sizes", counting(F, Y[:, 1:]), r"\(2, 3, 5\)"),
    row("ragged", "nested lists of different lengths", counting([[[0.1, 0.2]], [[0.3]]], Y), "inhomogeneous"),
    row("logits", "logits of an object", counting(4 * F - 9, Y), "-8"),
    row("nan", "a map with NaN", counting(F * np.nan, Y), "nan"),
    row("class-logits", "logits of classes", counting(P * 9, K), "8 off 1"),
    row("two-channels", "two channels that are no pair", counting(P[:, :2], K), "0.5 off 1"),
    row("uint16-of-255", "8-bit values as uint16", scaled(np.uint16, 255), "no value above 255"),
    row("whole-maps", "probabilities as int64", counting(F.astype(int), Y), "int64"),
    row("bins", "bins whose edges cannot be met exactly", lambda: Statistic().update(F, Y).compute(7), "7"),
    row("grey-mask", "a grey mask", counting(F, Y + 7), "7"),
    row("float-mask", "a mask of floats", counting(F, F), "float32"),
    row("object-255", "a mask of 0 and 255", counting(F, Y + np.uint8(np.eye(4, 5) * 255)), "255"),
    row("class-ids", "a class id that does not exist", counting(P, K + 4), "4"),
    row("names", "too few names", lambda: Statistic().update(F, Y, ["a"]), "1 for 2"),
    row("groups", "groups of fewer images", lambda: Statistic().update(F, Y).compute(groups=[1]), "1 for 2"),
    row("mixed", "an object after classes", lambda: Statistic().update(P, K).update(F, Y), "2 after 4"),
    row("merged", "other classes", lambda: Statistic().update(P, K).merge(Statistic().update(F, Y)), "2 after"),
    row("nothing-to-draw", "a diagram of nothing", lambda: reliability_diagram(Statistic()), "no pixel"),
    row("metric-lists", "lists as a metric's images", lambda: DenseCalibration().update([0.1], [1]), "list"),
    row("metric-name", "a misspelt metric", lambda: DenseCalibration(("ecee",)), "ecee"),
    row("metric-of-images", "a metric that needs images one by one", lambda: DenseCalibration(("brier",)), "brier"),
    row("metric-bins", "bins of a metric", lambda: DenseCalibration(bins=7), "7"),
    row("metric-of-object", "the AUC of K classes", lambda: DenseCalibration(("auc",)).update(P, K), "auc"),
    row("loss-object-255", "labels of 0 and 255", lambda: SCBCE()(Z, T + (255 * torch.eye(4, 5)).long()), "255"),
    row("loss-shapes", "labels of another size", lambda: SCBCE()(Z, T[:, 1:]), "3, 5"),
    row("loss-classes", "logits of K classes", lambda: SCBCE()(torch.zeros(2, 7, 4, 5), T), "classes=2"),
    row("loss-labels", "labels that are no classes", lambda: SCBCE()(Z, T + 3), r"\[3\]"),
    row("loss-floats", "ignored pixels among float labels", lambda: SCBCE()(Z, T.float() + 255), "255.0"),
    row("loss-soft", "soft labels of two planes", lambda: SCBCE()(torch.zeros(2, 2, 4, 5), T + 0.7), r"0\.69"),
    row("loss-empty", "a batch without images", lambda: SCBCE()(Z[:0], T[:0]), r"\(0, 1, 4, 5\)"),
    row("loss-alpha", "a level that inverts labels", lambda: SCBCE(0.6), ""),
    row("loss-parameter", "an unknown parameter", lambda: SCBCE(betta=1), ""),
    row("rule", "a rule that does not exist", lambda: ASLP(3, "mcc"), "'mcc'"),
    row("index", "an image that does not exist", lambda: ASLP(2)(Z, T, [0, 2]), r"\[0, 2\]"),
    row("index-length", "too few indices", lambda: ASLP(2)(Z, T, [0]), r"\[0\]"),
    row("index-type", "indices that are floats", lambda: ASLP(2)(Z, T, torch.tensor([0.0, 1.0])), r"\[0.0"),
    row("percent", "an accuracy in percent, or NaN", lambda: ASLP(3).end_epoch(95.0), "95.0"),
    row("no-gap", "the closed loop without its gap", lambda: ASLP(3, "cl").end_epoch(0.9), ""),
    row(
        "other-checkpoint",
        "a checkpoint of ASLP with other images, another rule or other classes",
        lambda: ASLP(3).load_state_dict(ASLP(4).state_dict()),
        "4 images",
    ),
]


test_it_is_refused = refusals(ROWS)
