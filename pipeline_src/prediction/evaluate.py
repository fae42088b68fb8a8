"""The evaluation of a run on a part: the statistic of docs/protocol.md, and the maps of a few examples."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np

from pipeline_src.counting.either import Either, empty
from pipeline_src.counting.levels import NO_CLASS
from pipeline_src.counting.whole_maps import KEPT, whole_map_measures
from pipeline_src.data.store import Store
from pipeline_src.params.schema import Experiment
from pipeline_src.prediction import examples
from pipeline_src.prediction.predict import Predictor, predict

log = logging.getLogger(__name__)


def evaluate(
    predictor: Predictor, store: Store, experiment: Experiment, name: str
) -> tuple[Either, dict[str, np.ndarray]]:
    """The statistic of a predictor on a store, and its probabilities on `examples.chosen`."""
    classes = predictor.networks[0].classes  # a store of textures does not know them
    statistic: Either = empty(classes)
    shown: dict[str, Any] = dict.fromkeys(examples.chosen(store.ids))
    started = told = time.perf_counter()
    for count, (probability, truth, sample) in enumerate(predict(predictor, store, experiment), 1):
        own = {"whole": whole_map_measures(probability, truth, KEPT)} if classes == 2 else {"no_class": NO_CLASS}
        statistic.add(probability, truth, sample, **own)
        if sample in shown:
            shown[sample] = probability
        if (now := time.perf_counter()) - told > 10 or count == len(store):
            told = now
            log.info("%s  image %d/%d  %.0f images/s", name, count, len(store), count / (now - started))
    return statistic, shown
