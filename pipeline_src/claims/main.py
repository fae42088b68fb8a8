"""All claims of an experiment, judged and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline_src.analysis.facts import COMPARED
from pipeline_src.analysis.results import Results
from pipeline_src.claims import text
from pipeline_src.claims.across import AGAINST_BASELINE, against_baseline
from pipeline_src.claims.checks import keeps
from pipeline_src.claims.evidence import Finding
from pipeline_src.claims.registry import CLAIMS, Claim
from pipeline_src.claims.view import Items, View
from pipeline_src.metrics.registry import METRICS


def write_claims(results: Results, alphas: Mapping[tuple[str, int], Path], folder: Path) -> None:
    """Write `claims.CLAIM_FILES` into `folder`.

    Args:
        alphas: (method, seed) -> `alpha.csv` of the methods that learn alphas.
    """
    text.write(judged(View(results, alphas=alphas)), folder)


def judged(view: View) -> dict[str, Any]:
    """All claims as claims.json has them: per claim and protocol the verdict, its reason and evidence, and secondary
    verdicts, which do not count. What does not depend on the protocol stands under `any`."""
    facts = view.facts
    codes = {method.code for method in facts.methods.values()}
    return {
        "experiment": facts.experiment,
        "synthetic": facts.synthetic,
        "interval": text.INTERVAL,
        "compared": facts.compared,
        "not_compared": [code for code in COMPARED if code not in codes],
        "claims": [{"claim": name, **_judged(claim, view)} for name, claim in CLAIMS.items()],
        AGAINST_BASELINE: {p: against_baseline(replace(view, protocol=p)) for p in facts.protocols},
    }


def _judged(claim: Claim, view: View) -> dict[str, Any]:
    by_protocol = {}
    for protocol in view.facts.protocols if claim.by_protocol else ("any",):
        seen = replace(view, protocol=protocol)
        others = [{"what": what, **finding.as_json()} for what, finding in secondary(claim, seen) if finding.evidence]
        by_protocol[protocol] = Finding.of(evidence(claim, seen)).as_json() | {"secondary": others}
    return {"text": claim.text, "rule": claim.rule, "protocols": by_protocol}


def evidence(claim: Claim, view: View) -> Items:
    """All that decides a claim."""
    for code in claim.subjects:
        yield from view.without(code)
        if block := view.facts.principal(code):
            yield from claim.check(view, block, rivals(claim, view, code))


def secondary(claim: Claim, view: View) -> Iterator[tuple[str, Finding]]:
    """The same check, in words, for other blocks of the subjects and their substitutes, in further metrics, and against
    methods outside of the paper's comparison."""
    facts = view.facts
    for code in (*claim.subjects, *claim.substitutes):
        for block in facts.blocks(code)[code in claim.subjects :]:
            yield f"{facts.label(block)} instead", Finding.of(claim.check(view, block, rivals(claim, view, code)))
    subjects = list(filter(None, map(facts.principal, claim.subjects)))
    for metric in filter(view.measured, claim.metrics):
        for block in subjects:
            yield f"{METRICS[metric].title} of {facts.label(block)}", Finding.of(keeps(metric)(view, block, ()))
    outside = [name for name in facts.methods if name not in facts.compared] if claim.rivals else []
    for block in subjects:
        for other in outside:
            yield f"{facts.label(block)} against {facts.label(other)}", Finding.of(claim.check(view, block, [other]))


def rivals(claim: Claim, view: View, code: str) -> list[str]:
    """The methods of the paper's comparison that are of another code."""
    facts = view.facts
    return [name for name in facts.compared if facts.methods[name].code != code] if claim.rivals else []
