"""An untrained network on street scenes of CamVid, evaluated as any other, against torchmetrics and mmsegmentation."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from made_statistics import ious, summaries

from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.score_histogram import positive
from pipeline_src.data import catalog
from pipeline_src.data.build import build
from pipeline_src.data.prepare import prepare
from pipeline_src.data.store import Store
from pipeline_src.params.schema import Evaluation, Part
from pipeline_src.prediction.evaluate import evaluate
from pipeline_src.prediction.predict import Predictor, predict
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.models.build import build_segmentor, normalization


@pytest.mark.filterwarnings("ignore")
def test_street_scenes_of_camvid(downloads, tmp_path):
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    entry = catalog.load()["CamVid"]
    if not (downloads / "archives/CamVid.tar").exists():
        pytest.skip("no CamVid among the archives")
    places = downloads, tmp_path / "unpacked", tmp_path / "manifest"
    prepare(entry, *places)
    build(Part(set="CamVid", split="test", first=2), entry, *places, 64, tmp_path / "store")
    store = Store(tmp_path / "store")
    torch.manual_seed(0)
    network = DenseClassifier(
        build_segmentor("tiny_fpn", False, store.classes), normalization("tiny_fpn"), classes=store.classes
    )
    experiment = SimpleNamespace(evaluation=Evaluation(bins=10, batch_size=2), training=SimpleNamespace(workers=0))
    predictor = Predictor([network.eval()])
    statistic = evaluate(predictor, store, experiment, "untrained on CamVid")
    maps = [(p, truth) for p, truth, _ in predict(predictor, store, experiment)]
    assert all(p.shape == (11, *truth.shape) and p.dtype == np.float32 for p, truth in maps)
    valid = [truth != 255 for _, truth in maps]
    assert 0 < sum(v.sum() for v in valid) == statistic.raw.pixels < sum(v.size for v in valid)
    # An untrained network is equally unsure everywhere; answers made from the labels have confidences of all sizes.
    rng = np.random.default_rng(0)
    answered, varied = MapCounts.of_classes(11), []
    for k, (_, truth) in enumerate(maps):
        z = rng.normal(0, 2, (11, *truth.shape)) + 3 * (np.arange(11)[:, None, None] == truth)
        varied.append(((np.exp(z) / np.exp(z).sum(axis=0)).astype(np.float32), truth))
        answered.add(*varied[-1], str(k))
    for counted, pairs in ((statistic, maps), (answered, varied)):
        values, _ = summaries(counted)["raw"]
        scores = torch.from_numpy(np.concatenate([p[:, truth != 255] for p, truth in pairs], axis=1).T)
        labels = torch.from_numpy(np.concatenate([truth[truth != 255] for _, truth in pairs])).long()
        assert values["accuracy"] == pytest.approx(float((scores.argmax(1) == labels).double().mean()), abs=1e-12)
        assert values["mean_iou"] == pytest.approx(np.nanmean(ious(pairs, 11)), abs=1e-6)
        peer = multiclass_calibration_error(scores.double(), labels, num_classes=11, n_bins=10, norm="l1")
        assert values["ece"] == pytest.approx(float(peer), abs=1e-5)
    assert np.count_nonzero(positive(answered.raw).binned(10).count) >= 8
