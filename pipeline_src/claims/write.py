"""All claims of an experiment: their verdicts, and the files that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline_src.analysis.facts import COMPARED
from pipeline_src.analysis.intervals import groups_in_words
from pipeline_src.analysis.results import Results
from pipeline_src.claims import text
from pipeline_src.claims.alphas import mean_levels, read_alphas
from pipeline_src.claims.checks import Items, View
from pipeline_src.claims.other_tasks import AGAINST_BASELINE, comparisons_with_baseline
from pipeline_src.claims.registry import CLAIMS, Claim
from pipeline_src.claims.verdict import Evidence, Finding

READINGS = ("theta_lm", "beta")  # parameters of adaptive methods that the paper's sources leave open


def write_claims(results: Results, alphas: Mapping[tuple[str, int], Path], folder: Path) -> None:
    """Write `claims.CLAIM_FILES` into `folder`.

    Args:
        alphas: (method, seed) -> `alpha.csv` of the methods that learn alphas.
    """
    tables = {run: read_alphas(file) for run, file in alphas.items()}
    text.write(judged(View(results, alphas=tables)), folder)


def judged(view: View) -> dict[str, Any]:
    """The experiment's claims as claims.json has them: verdict, reason and evidence by claim and protocol (`any` where
    the claim does not depend on it), and secondary verdicts."""
    facts = view.facts
    asked = [name for name in CLAIMS if facts.claims is None or name in facts.claims]
    codes = {method.code for method in facts.methods.values()}
    groups = {part: view.results.groups(part) for part in facts.tests}
    return {
        "experiment": facts.experiment,
        "synthetic": facts.synthetic,
        "interval": text.INTERVAL,
        "compared": facts.compared,
        "learned": _learned(view),
        "groups": [f"{part}: {groups_in_words(group)}" for part, group in groups.items() if group is not None],
        "not_compared": [code for code in COMPARED if code not in codes],
        "claims": [{"claim": name, **_judged(CLAIMS[name], view)} for name in asked],
        AGAINST_BASELINE: {p: comparisons_with_baseline(replace(view, protocol=p)) for p in facts.protocols},
    }


def _learned(view: View) -> list[str]:
    """The mean alphas of methods that learn some, and the readings that verdicts on them depend on."""
    methods, levels = view.facts.methods, []
    for entry, mean in mean_levels(view).items():
        parameters = methods[entry].parameters
        readings = ", ".join(f"{name} {parameters[name]}" for name in READINGS if name in parameters)
        levels.append(f"{entry} {mean:.3f}" + f" ({readings})" * bool(readings))
    return [f"Mean alpha over the last fifth of the epochs: {', '.join(levels)}."] if levels else []


def _judged(claim: Claim, view: View) -> dict[str, Any]:
    by_protocol = {}
    for protocol in view.facts.protocols if claim.by_protocol else ("any",):
        seen = replace(view, protocol=protocol)
        others = [{"what": what, **finding.as_json()} for what, finding in secondary(claim, seen) if finding.evidence]
        by_protocol[protocol] = Finding.of(evidence(claim, seen)).as_json() | {"secondary": others}
    return {"text": claim.text, "rule": claim.rule, "protocols": by_protocol}


def evidence(claim: Claim, view: View) -> Items:
    """All comparisons that decide a claim."""
    for code in claim.subjects:
        yield from view.without(code)
        if entry := view.facts.principal(code):
            yield from claim.check(view, entry, compared(claim, view, code))


def secondary(claim: Claim, view: View) -> Iterator[tuple[str, Finding]]:
    """The same check for other entries of the subjects and for their substitutes, against methods that the claim does
    not name, on OOD sets that are not the paper's, and under distribution shift."""
    facts = view.facts
    for code in (*claim.subjects, *claim.substitutes):
        for entry in facts.blocks(code)[code in claim.subjects :]:
            yield f"{entry} instead", Finding.of(claim.check(view, entry, compared(claim, view, code)))
    principal = {code: entry for code in claim.subjects if (entry := facts.principal(code))}
    named = {name for code in claim.subjects for name in (*facts.blocks(code), *compared(claim, view, code))}
    outside = [name for name in facts.methods if name not in named] if claim.compared else []
    for entry in principal.values():
        for other in outside:
            yield f"{entry} against {other}", Finding.of(claim.check(view, entry, [other]))
    textures = [part for part in facts.parts_of(["ood"]) if part not in facts.textures]
    for role, parts in (("ood", textures), ("id", facts.parts_of(["shifted"]))):
        seen = replace(view, instead={role: parts})
        for code, entry in principal.items() if parts else ():
            items = claim.check(seen, entry, compared(claim, seen, code))
            on_parts = [item for item in items if isinstance(item, Evidence) and set(item.sets) & set(parts)]
            yield f"{entry} on {', '.join(parts)}", Finding.of(on_parts)


def compared(claim: Claim, view: View, code: str) -> list[str]:
    """The methods with which a claim compares the subject of a code."""
    codes = {*claim.compared} - {code}
    return [name for name in view.facts.compared if view.facts.methods[name].code in codes]
