"""docs/guides/claim.md, followed."""

from __future__ import annotations

import json

import guide

CODE = """
from pathlib import Path
from made_claims import METHODS, PARTS, view
from pipeline_src.claims.write import write_claims

values = {(method, "max_f", part): 0.8 for method in METHODS for part in PARTS}
values |= {(method, "ue", part): 0.2 * (method == "aslp_mc") for method in METHODS for part in PARTS}
values |= {("aslp_mc", "gap", "one"): -0.1}
write_claims(view(values).results, {}, Path("claims"))
"""


def test_the_guide(tmp_path):
    guide.follow("claim.md", tmp_path)
    guide.run(tmp_path, CODE)
    claims = json.loads((tmp_path / "claims/claims.json").read_text(encoding="utf-8"))["claims"]
    assert [claim["claim"] for claim in claims[-2:]] == ["C20", "C21"]
    keeps, under = (claim["protocols"]["raw"] for claim in claims[-2:])
    assert keeps["verdict"] == "supported" and len(keeps["evidence"]) == 2
    says = {(item["what"].split(" of ")[0], *item["sets"]): item["says"] for item in under["evidence"]}
    assert says == {
        ("confidence − accuracy", "one"): "for",
        ("confidence − accuracy", "two"): "inconclusive",
        ("UE", "one"): "for",
        ("UE", "two"): "for",
    }
