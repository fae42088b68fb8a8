"""All claims of an experiment, judged and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline_src.analysis.facts import COMPARED
from pipeline_src.analysis.intervals import groups_in_words
from pipeline_src.analysis.results import Results
from pipeline_src.claims import text
from pipeline_src.claims.alphas import mean_levels, read
from pipeline_src.claims.checks import keeps
from pipeline_src.claims.evidence import Evidence
from pipeline_src.claims.finding import Finding
from pipeline_src.claims.other_tasks import AGAINST_BASELINE, against_baseline
from pipeline_src.claims.registry import CLAIMS, Claim
from pipeline_src.claims.view import Items, View
from pipeline_src.metrics.registry import METRICS

READINGS = ("theta_lm", "beta")  # parameters of adaptive methods that the paper's sources leave open


def write_claims(results: Results, alphas: Mapping[tuple[str, int], Path], folder: Path) -> None:
    """Write `claims.CLAIM_FILES` into `folder`.

    Args:
        alphas: (method, seed) -> `alpha.csv` of the methods that learn alphas.
    """
    tables = {run: read(file) for run, file in alphas.items()}
    text.write(judged(View(results, alphas=tables)), folder)


def judged(view: View) -> dict[str, Any]:
    """The experiment's claims as claims.json has them: per claim and protocol the verdict, its reason and evidence, and
    secondary verdicts, which do not count. What does not depend on the protocol stands under `any`. Where all are asked
    for on data of the user's, `left_out` names those that cannot be judged."""
    facts = view.facts
    wanted = [name for name in CLAIMS if facts.claims is None or name in facts.claims]
    claims = {name: _judged(CLAIMS[name], view) for name in wanted}
    left_out = [name for name in claims if facts.own_data and facts.claims is None and text.is_not_run(claims[name])]
    codes = {method.code for method in facts.methods.values()}
    return {
        "experiment": facts.experiment,
        "synthetic": facts.synthetic,
        "interval": text.INTERVAL,
        "compared": facts.compared,
        "learned": _learned(view),
        "groups": [f"{p}: {groups_in_words(of)}" for p in facts.tests if (of := view.results.groups(p)) is not None],
        "not_compared": [code for code in COMPARED if code not in codes],
        "claims": [{"claim": name, **claim} for name, claim in claims.items() if name not in left_out],
        **({"left_out": left_out} if left_out else {}),
        AGAINST_BASELINE: {p: against_baseline(replace(view, protocol=p)) for p in facts.protocols},
    }


def _learned(view: View) -> list[str]:
    """What methods that learn alphas end at, and as what they were read: verdicts on them depend on it."""
    methods, levels = view.facts.methods, []
    for block, mean in mean_levels(view).items():
        read = [f"{name} {methods[block].parameters[name]}" for name in READINGS if name in methods[block].parameters]
        levels.append(f"{block} {mean:.3f}" + f" ({', '.join(read)})" * bool(read))
    return [f"Mean alpha over the last fifth of the epochs: {', '.join(levels)}."] if levels else []


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
    """The same check, in words, for other blocks of the subjects and their substitutes, in weaker readings and further
    metrics, against methods that the claim does not speak of, on textures that are not the paper's, and under shift."""
    facts = view.facts
    for code in (*claim.subjects, *claim.substitutes):
        for block in facts.blocks(code)[code in claim.subjects :]:
            yield f"{block} instead", Finding.of(claim.check(view, block, rivals(claim, view, code)))
    principal = {code: block for code in claim.subjects if (block := facts.principal(code))}
    subjects = list(principal.values())
    for what, check in claim.readings.items():
        for code, block in principal.items():
            yield f"{block}, {what}", Finding.of(check(view, block, rivals(claim, view, code)))
    for metric in filter(view.measured, claim.metrics):
        for block in subjects:
            yield f"{METRICS[metric].title} of {block}", Finding.of(keeps(metric)(view, block, ()))
    own = {name for code in claim.subjects for name in (*facts.blocks(code), *rivals(claim, view, code))}
    outside = [name for name in facts.methods if name not in own] if claim.rivals else []
    for block in subjects:
        for other in outside:
            yield f"{block} against {other}", Finding.of(claim.check(view, block, [other]))
    textures = [part for part in facts.parts_of(["ood"]) if part not in facts.textures]
    for role, aside in (("ood", textures), ("id", facts.parts_of(["shifted"]))):
        seen = replace(view, instead={role: aside})
        for code, block in principal.items() if aside else ():
            items = claim.check(seen, block, rivals(claim, seen, code))
            on = [item for item in items if isinstance(item, Evidence) and set(item.sets) & set(aside)]
            yield f"{block} on {', '.join(aside)}", Finding.of(on)


def rivals(claim: Claim, view: View, code: str) -> list[str]:
    """The methods with which a claim compares the subject of a code."""
    wanted = {*claim.rivals} - {code}
    return [name for name in view.facts.compared if view.facts.methods[name].code in wanted]
