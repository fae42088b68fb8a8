"""docs/guides/metric.md, followed."""

from __future__ import annotations

import pytest
from guide import follow, run

CHECK = """
from pathlib import Path

import metric_tables
import numpy as np
import pandas as pd
import pytest
from made_statistics import counted, of_scenes, one, scene, summaries, varied

from pipeline_src.analysis.analyse import analyse
from pipeline_src.analysis.estimate import estimate
from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.analysis.results import Results
from pipeline_src.maps.judge import judge_folder
from pipeline_src.metrics.summary import value
from pipeline_src.tables.write import write_tables

# Confidence 0.75 with half of the pixels right, then 1 with all right.
assert value("rms", one(np.float32([0.75, 0.25, 1, 1]), [1, 1, 1, 1]).raw) == pytest.approx((0.25**2 / 2) ** 0.5)

images = list(varied(6))
counted(images).save("s.npz", {})
analyse("photos", 10, {("ce", 0): Path("s.npz")}, Path("photos.npz"))
results = Results(Facts("made", {"ce": MethodFacts("baseline")}, {"photos": "id"}), {"photos": Path("photos.npz")})
for protocol in ("raw", "stretched"):
    of = estimate("rms", (results.measurement(protocol, "ce", "photos"), 1.0))
    assert of.low < of.value < of.high and of.value == results.numbers.mean.loc[(protocol, "photos", "ce"), "rms"]
write_tables(results, Path("tables"))
assert pd.read_csv("tables/main.csv")["rms"].tolist() == pytest.approx(results.numbers.table["rms"].tolist(), rel=1e-7)
assert 0 < summaries(of_scenes([scene(0)]))["raw"][0]["rms"] < 1

for folder in ("maps", "masks"):
    Path(folder).mkdir()
for f, y, name in images:
    np.save(f"maps/{name}.npy", f), np.save(f"masks/{name}.npy", y)
judged = judge_folder(Path("maps"), Path("masks"), "ce", Path("out"), whole=False, resamples=50)
assert judged["raw"]["rms"] == results.numbers.mean.loc[("raw", "photos", "ce"), "rms"]
low, high = judged["intervals"]["raw"]["rms"]
assert low < judged["raw"]["rms"] < high
assert "| `rms` | RMS % | confidence in bins |" in metric_tables.of_classes("any")
"""


@pytest.mark.slow
def test_a_metric_is_a_function_and_an_entry(tmp_path):
    follow("metric.md", tmp_path)
    run(tmp_path, CHECK)
