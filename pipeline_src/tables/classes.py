"""T15: calibration and overlap class by class, of masks with several classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pipeline_src.analysis.facts import LIKE_ID
from pipeline_src.analysis.results import Results
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.captions import about, heading
from pipeline_src.tables.paper_table import PaperTable, Row

# In the order of `Measurement.arrays["class_metrics"]`.
QUANTITIES = {"ece": METRICS["ece"], "iou": replace(METRICS["mean_iou"], title="IoU", heading="IoU %")}
NOTES = {
    True: "ECE is that of the probability of the class. IoU is the intersection over union.",
    False: "None: the masks have one object class.",
}


def classes(results: Results) -> PaperTable:
    """Return classes by methods and metrics; groups by dataset."""
    facts, note = results.facts, NOTES[bool(results.facts.class_names)]
    return PaperTable("Class by class", list(_rows(results)), about(facts), [note], QUANTITIES)


def _rows(results: Results) -> Iterator[Row]:
    facts = results.facts
    for part in facts.parts_of(LIKE_ID) if facts.class_names else ():
        place = {"protocol": "raw", "group": heading(results, part), "part": part, "role": facts.parts[part]}
        for method, run in results.measured("raw", part).items():
            for (metric, quantity), by_class in zip(QUANTITIES.items(), run.arrays["class_metrics"], strict=True):
                for name, (mean, low, high) in zip(facts.class_names, by_class, strict=True):
                    yield place | {
                        "row": name,
                        "column": f"{method}: {quantity.column}",
                        "method": method,
                        "metric": metric,
                        "mean": mean,
                        "low": low,
                        "high": high,
                        "seeds": " ".join(map(str, run.seeds)),
                        "images": run.images,
                        "class": name,
                    }
