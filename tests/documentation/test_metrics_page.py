"""docs/metrics.md lists the metrics of the registry."""

from __future__ import annotations

from pipeline_src.documentation import metrics_page
from pipeline_src.metrics.registry import METRICS


def test_the_page_of_metrics_is_in_step():
    assert metrics_page.FILE.read_text(encoding="utf-8") == metrics_page.page(), "run `dense-calibration docs`"


def test_every_metric_has_a_row_of_seven_cells():
    definitions, _, _ = metrics_page.page().partition("## How far intervals can be trusted")
    rows = [line for line in definitions.splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(METRICS)
    assert {row.count(" | ") for row in rows} == {6}
