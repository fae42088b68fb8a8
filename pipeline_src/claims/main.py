"""All claims of an experiment, judged and written: claims.json and claims.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline_src.analysis.results import Results
from pipeline_src.analysis.roles import COMPARED, Roles
from pipeline_src.analysis.samples import CLASSES, PIXELS, RESAMPLES, WHOLE, sample
from pipeline_src.claims import tasks
from pipeline_src.claims.checks import CLAIMS, Claim, keeps
from pipeline_src.claims.evidence import Evidence, Finding, Missing
from pipeline_src.claims.text import markdown
from pipeline_src.claims.view import NAMES, View
from pipeline_src.files import write_text
from pipeline_src.tables.across import ExperimentSummary


def write_claims(
    results: Results,
    roles: Roles,
    alphas: Mapping[tuple[str, int], Path],
    out: Path,
    experiments: Sequence[ExperimentSummary] = (),
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write `claims.CLAIM_FILES` into `out`.

    Args:
        roles: what each block of `methods:` is.
        alphas: (method, seed) -> `alpha.csv` of the methods that learn alphas.
        experiments: all of params.yaml, whose results C8 speaks of.
        texts: tasks of the catalog in words.

    Raises:
        UserError: a file is missing or is no statistic, or methods were judged on different images.
    """
    found = judged(View(results, roles, sample(results, families=(PIXELS, WHOLE, CLASSES)), alphas=alphas))
    _write(_with_tasks(found, experiments, texts or {}), out)


def write_other_tasks(out: Path, experiments: Sequence[ExperimentSummary], texts: Mapping[str, str]) -> None:
    """Judge C8 again in the claims that lie in `out`; arguments as in `write_claims`."""
    found = json.loads((out / "claims.json").read_text(encoding="utf-8"))
    _write(_with_tasks(found, experiments, texts), out)


def _with_tasks(
    found: dict[str, Any], experiments: Sequence[ExperimentSummary], texts: Mapping[str, str]
) -> dict[str, Any]:
    claims = [claim for claim in found["claims"] if claim["claim"] != tasks.NAME]
    claims.append(tasks.judged(found, experiments, texts))
    return found | {"claims": sorted(claims, key=lambda claim: claim["claim"])}


def _write(found: dict[str, Any], out: Path) -> None:
    write_text(out / "claims.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    write_text(out / "claims.md", markdown(found))


def judged(view: View) -> dict[str, Any]:
    """All claims but C8, as claims.json has them: per claim and protocol the verdict, its reason and evidence, and
    verdicts beside it that have no say in it. What does not depend on the protocol stands under `any`."""
    codes = {role.code for role in view.roles.values()}
    return {
        "experiment": view.results.experiment,
        "synthetic": view.results.synthetic,
        "interval": f"95 %, {RESAMPLES} paired resamples of the images",
        "compared": view.compared(),
        "not_compared": [code for code in COMPARED if code not in codes],
        "claims": [_judged(claim, view) for claim in CLAIMS],
        tasks.COMPARED: tasks.against_baseline(view),
    }


def _judged(claim: Claim, view: View) -> dict[str, Any]:
    by_protocol = {}
    for protocol in view.results.protocols if claim.by_protocol else ("any",):
        seen = replace(view, protocol=protocol)
        aside = [{"what": what, **finding.facts()} for what, finding in beside(claim, seen) if finding.evidence]
        by_protocol[protocol] = Finding.of(found(claim, seen)).facts() | {"beside": aside}
    return {"claim": claim.name, "text": claim.text, "rule": claim.rule, "protocols": by_protocol}


def found(claim: Claim, view: View) -> Iterator[Evidence | Missing]:
    """All that decides a claim."""
    for code in claim.subjects:
        yield from view.without(code)
        for block in view.blocks(code)[:1]:
            yield from claim.check(view, block, rivals(claim, view, code))


def beside(claim: Claim, view: View) -> Iterator[tuple[str, Finding]]:
    """The same check for variants of the subjects, in further metrics, and for methods outside of the paper's
    comparison, in words."""
    for code in (*claim.subjects, *claim.beside):
        for block in view.blocks(code)[code in claim.subjects :]:
            yield f"{view.label(block)} instead", Finding.of(claim.check(view, block, rivals(claim, view, code)))
    for metric in filter(view.measured, claim.also):
        for code in claim.subjects:
            for block in view.blocks(code)[:1]:
                yield f"{NAMES[metric]} of {view.label(block)}", Finding.of(keeps(view, metric, block))
    outside = [name for name in view.roles if name not in view.compared()] if claim.rivals else []
    for code in claim.subjects:
        for block in view.blocks(code)[:1]:
            for other in outside:
                what = f"{view.label(block)} against {view.label(other)}"
                yield what, Finding.of(claim.check(view, block, [other]))


def rivals(claim: Claim, view: View, code: str) -> list[str]:
    """The methods of the paper's comparison that are none of a code's own."""
    return [name for name in view.compared() if view.roles[name].code != code] if claim.rivals else []
