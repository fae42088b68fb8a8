"""What the report states of methods."""

from __future__ import annotations

import pytest

from pipeline_src.analysis.facts import Facts, MethodFacts
from pipeline_src.pipeline.steps.report import method_descriptions


@pytest.mark.parametrize(("start", "never"), [(2, False), (3, True), (100_000, True)])
def test_a_block_that_perturbs_in_no_epoch_is_described_so(start, never):
    methods = {"control": MethodFacts("aslp_groups", {"start_epoch": start})}
    of = method_descriptions(Facts("x", methods, {}, epochs=3))["control"]  # of three epochs
    assert ("no label is perturbed" in of["idea"]) == ("without perturbation" in of["title"]) == never
