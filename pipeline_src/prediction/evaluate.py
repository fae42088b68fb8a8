"""The evaluation of a run on a split: all pixels counted by confidence and correctness.

docs/protocol.md defines the counts, from which the metrics are computed.
"""

from __future__ import annotations

import logging
import time

from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.sample import checked
from pipeline_src.data.store import Store
from pipeline_src.labels import NO_CLASS
from pipeline_src.params.schema import Experiment
from pipeline_src.prediction.predict import Predictor, predict

log = logging.getLogger(__name__)


def evaluate(
    predictor: Predictor, store: Store, experiment: Experiment, name: str, weighted: bool = False
) -> dict[str, Counts]:
    """Return the counts of all pixels that a run predicts in a store, the images of a split.

    Args:
        predictor: the networks of the run, and its post-hoc method.
        name: name of the job in log messages.
        weighted: whether weighted F is also measured, which takes long.

    Returns:
        The counts by protocol: "raw" of the predictions as they are and, for two classes,
        "stretched" of the predictions after min-max normalization.
    """
    # Of the network, because a store without masks does not know the number of classes.
    classes = predictor.networks[0].classes
    accumulator = Accumulator(
        classes if classes > 2 else None, whole_maps=True, weighted_f=weighted
    )
    started = time.perf_counter()
    for probability, truth, image_id in predict(predictor, store, experiment):
        accumulator.add(checked(probability, truth, image_id, no_class=NO_CLASS))
    per_second = len(store) / (time.perf_counter() - started)
    log.info("%s  %d images, %.0f a second", name, len(store), per_second)
    return accumulator.counts()
