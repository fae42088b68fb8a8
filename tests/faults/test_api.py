"""Wrong arguments of what other programs import: each is refused before anything is counted, and named."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from pipeline_src.api import ASLP, SCBCE, DenseCalibration, Evaluation, UserError, reliability_diagram

F, Y = np.full((2, 4, 5), 0.25, np.float32), np.zeros((2, 4, 5), np.uint8)
P, K = np.full((2, 4, 4, 5), 0.25, np.float32), np.zeros((2, 4, 5), np.uint8)
ONE = np.eye(4, 5, dtype=np.uint8)
Z, T = torch.zeros(2, 1, 4, 5), torch.zeros(2, 4, 5, dtype=torch.long)


def counting(f: object, y: object) -> Callable[[], object]:
    return lambda: Evaluation().update(f, y)


def coarse() -> DenseCalibration:
    metric = DenseCalibration()
    metric.update(torch.from_numpy(F), torch.from_numpy(Y))
    return metric


def batches(*masks: np.ndarray) -> None:
    metric = DenseCalibration()
    for mask in masks:
        metric.update(F[0], mask)


ROWS = [
    ("shapes", counting(F, Y[:, 1:]), r"\(2, 3, 5\)"),
    ("class-logits", counting(P * 9, K), "8 off 1"),
    ("two-channels", counting(P[:, :2], K), "0.5 off 1"),
    ("one-hot-integers", counting((P[:, :2] > 0).astype(np.uint8), K), "uint8"),
    ("bins", lambda: Evaluation().update(F, Y).compute(7), "7"),
    ("grey-mask", counting(F, Y + 7), "7"),
    ("float-mask", counting(F, F), "0.25"),
    ("lists", counting([F], Y), "list"),
    ("lists-of-other-lengths", counting([*F], [Y[0]]), "2 and 1"),
    ("batches-in-a-list", counting([F], [Y]), r"\(2, 4, 5\)(.|\n)*volumes=True"),
    ("volumes-as-images", counting(F[None], Y[None]), "volumes=True"),
    ("volume-of-classes-as-images", counting(P.swapaxes(0, 1), K), "volumes=True"),
    ("image-as-a-volume", lambda: Evaluation(volumes=True).update(F[0], Y[0]), r"\(4, 5\)"),
    ("objects-of-1-and-255", counting(F, np.stack([ONE, ONE * 255])), "image 000000000(.|\n)*image 000000001"),
    ("objects-of-255-merged", lambda: counting(F[0], ONE)().merge(counting(F[0], ONE * 255)()), "ignore=255"),
    ("objects-of-batches", lambda: batches(ONE * 255, ONE), "an earlier batch(.|\n)*ignore=255"),
    ("no-counts", lambda: Evaluation.load(__file__), "test_api.py"),
    ("class-ids", counting(P, K + 4), "4"),
    ("groups", lambda: Evaluation().update(F, Y).compute(groups=[1]), "1 for 2"),
    ("mixed", lambda: Evaluation().update(P, K).update(F, Y), "4 .*object"),
    ("merged", lambda: Evaluation().update(P, K).merge(Evaluation().update(F, Y)), "4 .*object"),
    ("bins-without-pixels", lambda: Evaluation().compute(bins=7), "7"),
    ("nothing-to-draw", lambda: reliability_diagram(Evaluation()), "no pixel"),
    ("bins-of-coarse-counts", lambda: reliability_diagram(coarse(), bins=13), "divisor of 300"),
    ("metric-lists", lambda: DenseCalibration().update([0.1], [1]), "list"),
    ("metric-name", lambda: DenseCalibration(("ecee",)), "ecee"),
    ("metric-of-images", lambda: DenseCalibration(("brier",)), "brier"),
    ("metric-bins", lambda: DenseCalibration(bins=7), "7"),
    ("loss-shapes", lambda: SCBCE()(Z, T[:, 1:]), "3, 5"),
    ("loss-classes", lambda: SCBCE()(torch.zeros(2, 7, 4, 5), T), "classes=2"),
    ("loss-labels", lambda: SCBCE()(Z, T + 3), r"\[3\]"),
    ("loss-floats", lambda: SCBCE()(Z, T.float() + 255), "255 may be it"),
    ("loss-empty", lambda: SCBCE()(Z[:0], T[:0]), r"\(0, 1, 4, 5\)"),
    ("loss-alpha", lambda: SCBCE(0.6), ""),
    ("loss-parameter", lambda: SCBCE(betta=1), ""),
    ("rule", lambda: ASLP(3, "mcc"), "'mcc'"),
    ("index", lambda: ASLP(2)(Z, T, [0, 2]), r"\[0, 2\]"),
    ("index-length", lambda: ASLP(2)(Z, T, [0]), r"\[0\]"),
    ("index-type", lambda: ASLP(2)(Z, T, torch.tensor([0.0, 1.0])), r"\[0.0"),
    ("percent", lambda: ASLP(3).end_epoch(95.0), "95.0"),
]


@pytest.mark.parametrize(("call", "named"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_it_is_refused(call, named):
    with pytest.raises(UserError) as error:
        call()
    assert re.search(named, str(error.value))
