"""All claims of an experiment: their verdicts, and the files that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline_src.analysis.estimate import DECISIVE_SEEDS
from pipeline_src.analysis.facts import PROTOCOL_NAMES, ExperimentSummary
from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.analysis.results import Results
from pipeline_src.claims import other_tasks
from pipeline_src.claims.alphas import read_alphas
from pipeline_src.claims.checks import View
from pipeline_src.claims.registry import CLAIMS, Claim
from pipeline_src.claims.verdict import NOT_RUN, Finding, Items
from pipeline_src.files import write_json, write_text
from pipeline_src.text_tables import Group, Table, markdown, markdown_text

READING = (
    "Supported: the 95 % confidence interval of every comparison lies where the claim wants the effect. Refuted: one "
    "interval lies outside, at a level at which all intervals of the claim hold together in 95 % of cases. Bounded: "
    "every other interval lies within ±0.5 points of ECE or accuracy, or ±0.002 of Brier score. Otherwise: "
    "inconclusive.",
    f"Intervals come from {RESAMPLES:,} paired resamples of the images and the variance over training seeds. With one "
    "seed they leave out training variance, and a verdict is on these networks. With fewer than "
    f"{DECISIVE_SEEDS} seeds a difference of ECE or OE is decided only if the interval of the squared error agrees. "
    f"Sets of fewer than {FEW_GROUPS} images or groups decide nothing. A sentence prints the interval that decides its "
    "comparison: the joint one where the 95 % interval lies outside the wanted range.",
    "The method entry of the claim's name decides, or else the first of its kind; other entries are secondary.",
)
SYNTHETIC = "All images are synthetic: these verdicts test the pipeline and settle no claim."
COLUMNS = {  # key of a comparison in claims.json -> heading
    "what": "",
    "printed": "effect [95 % CI]",
    "printed_joint": "joint CI",
    "wanted": "wanted",
    "says": "says",
}


def write_claims(results: Results, folders: Mapping[tuple[str, int], Path], out: Path) -> None:
    """Write `claims.CLAIM_FILES` into `out`.

    Args:
        folders: (method, seed) -> the folder with the `alpha.csv` of a method that learns alphas.
    """
    learned = results.facts.learned
    tables = {
        run: read_alphas(folder / "alpha.csv")
        for run, folder in folders.items()
        if run[0] in learned
    }
    write_files(judged(View(results, alphas=tables)), out)


def write_overview_claims(
    experiments: Sequence[ExperimentSummary], tasks: Mapping[str, str], folder: Path
) -> None:
    """Write `claims.CLAIM_FILES` of the claim across experiments; arguments as in `other_tasks.judged`."""
    write_files(other_tasks.judged(experiments, tasks), folder)


def judged(view: View) -> dict[str, Any]:
    """Return the verdicts on the experiment's claims in the form of claims.json.

    They have verdict, reason, evidence and secondary verdicts by claim and protocol (`any`:
    independent of it).
    """
    facts = view.facts
    asked = [name for name in CLAIMS if facts.claims is None or name in facts.claims]
    return {
        "experiment": facts.experiment,
        "synthetic": facts.synthetic,
        "claims": [{"claim": name, **_judged(CLAIMS[name], view)} for name in asked],
        other_tasks.CARRIED_OVER: {
            p: other_tasks.carried_over(replace(view, protocol=p)) for p in facts.protocols
        },
    }


def _judged(claim: Claim, view: View) -> dict[str, Any]:
    by_protocol = {}
    for protocol in view.facts.protocols if claim.by_protocol else ("any",):
        seen = replace(view, protocol=protocol)
        findings = [
            {"what": name, **found.as_json()}
            for name, found in secondary(claim, seen)
            if found.evidence
        ]
        by_protocol[protocol] = Finding.of(evidence(claim, seen)).as_json() | {
            "secondary": findings
        }
    return {"text": claim.text, "rule": claim.rule, "protocols": by_protocol}


def evidence(claim: Claim, view: View) -> Items:
    """Yield all comparisons that decide a claim."""
    for code in claim.subjects:
        yield from view.without(code)
        if entry := view.facts.principal(code):
            yield from claim.check(view, entry, compared(claim, view, code))


def secondary(claim: Claim, view: View) -> Iterator[tuple[str, Finding]]:
    """Yield a title and a finding for each entry of the subjects that is not the principal one."""
    for code in claim.subjects:
        for entry in view.facts.entries(code)[1:]:
            yield (
                f"{entry} instead",
                Finding.of(claim.check(view, entry, compared(claim, view, code))),
            )


def compared(claim: Claim, view: View, code: str) -> list[str]:
    """Return the methods with which a claim compares the subject of a code."""
    codes = {*claim.compared} - {code}
    return [name for name in view.facts.compared if view.facts.methods[name].code in codes]


# The files, and what the report shows of claims.json


def write_files(claims: Mapping[str, Any], folder: Path) -> None:
    """Write claims.json and claims.md."""
    write_json(folder / "claims.json", claims)
    write_text(folder / "claims.md", claims_markdown(claims))


def reading(claims: Mapping[str, Any]) -> list[str]:
    """Return the sentences that explain the verdicts."""
    return [SYNTHETIC] * claims["synthetic"] + [*READING]


def verdict(claims: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    """Return a verdict with what limits it: one training run of each method, or synthetic images."""
    if finding["verdict"] == NOT_RUN:
        return NOT_RUN
    limits = [" for these networks"] * (finding["seeds"] == 1) + [", on synthetic images"] * claims[
        "synthetic"
    ]
    return "".join([finding["verdict"], *limits])


def not_run(claims: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the claims that have a verdict in no protocol."""
    return [
        c for c in claims["claims"] if all(f["verdict"] == NOT_RUN for f in c["protocols"].values())
    ]


def evidence_table(claim: Mapping[str, Any], protocol: str) -> Table:
    """Return the comparisons that decide a claim, grouped by dataset."""
    items, groups = claim["protocols"][protocol]["evidence"], dict[str, list[list[str]]]()
    for item in items:
        sets = " and ".join(f"{name} ({images:,} images)" for name, images in item["sets"].items())
        groups.setdefault(sets, []).append([item[column] for column in COLUMNS])
    units = "; ".join(dict.fromkeys(item["unit"] for item in items if item["unit"]))
    caption = ", ".join(
        filter(None, [f"Evidence on {claim['claim']}", PROTOCOL_NAMES.get(protocol, ""), units])
    )
    return Table(f"{caption}.", list(COLUMNS.values()), [Group(*item) for item in groups.items()])


def claims_markdown(claims: Mapping[str, Any]) -> str:
    """Return the text of claims.md."""
    place = (
        f"in the experiment {claims['experiment']}"
        if "experiment" in claims
        else "across experiments"
    )
    lines = [f"# Claims {place}", *reading(claims)]
    for claim in claims["claims"]:
        lines += [f"## {claim['claim']}", claim["text"], f"*Rule:* {claim['rule']}"]
        for protocol, finding in claim["protocols"].items():
            lines.append(_finding_markdown(claims, finding, PROTOCOL_NAMES.get(protocol, protocol)))
            lines += (
                [markdown(evidence_table(claim, protocol)).strip()] if finding["evidence"] else []
            )
            texts = [_finding_markdown(claims, item, item["what"]) for item in finding["secondary"]]
            lines += (
                ["Secondary, which decide nothing:", "\n".join(f"- {text}" for text in texts)]
                if texts
                else []
            )
    return "\n\n".join(lines) + "\n"


def _finding_markdown(claims: Mapping[str, Any], finding: Mapping[str, Any], title: str) -> str:
    return (
        f"{markdown_text(title)}: **{verdict(claims, finding)}**. {markdown_text(finding['why'])}"
    )
