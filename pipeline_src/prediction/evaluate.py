"""The evaluation of a run on a split: the counts of docs/protocol.md."""

from __future__ import annotations

import logging
import time

from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.whole_maps import whole_map_measures
from pipeline_src.data.store import Store
from pipeline_src.labels import NO_CLASS
from pipeline_src.params.schema import Experiment
from pipeline_src.prediction.predict import Predictor, predict

log = logging.getLogger(__name__)


def evaluate(
    predictor: Predictor, store: Store, experiment: Experiment, name: str, weighted: bool = False
) -> MapCounts:
    """Return the counts of the predictions on a store.

    Args:
        name: name of the job in log messages.
        weighted: whether weighted F is also measured.
    """
    classes = predictor.networks[0].classes  # a store without masks has no number of classes
    counts = MapCounts.empty(classes)
    started = time.perf_counter()
    for probability, truth, sample in predict(predictor, store, experiment):
        measures = (
            whole_map_measures(probability, truth, weighted=weighted) if classes == 2 else None
        )
        counts.add(probability, truth, sample, measures=measures, no_class=NO_CLASS)
    log.info(
        "%s  %d images, %.0f a second",
        name,
        len(store),
        len(store) / (time.perf_counter() - started),
    )
    return counts
