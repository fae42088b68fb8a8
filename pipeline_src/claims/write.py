"""All claims of an experiment: their verdicts, and the files that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline_src.analysis.estimate import DECISIVE_SEEDS
from pipeline_src.analysis.facts import PROTOCOL_NAMES, Run
from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.analysis.results import Results
from pipeline_src.claims import other_tasks
from pipeline_src.claims.alphas import read_alphas
from pipeline_src.claims.checks import View
from pipeline_src.claims.registry import CLAIMS, Claim
from pipeline_src.claims.verdict import NOT_RUN, Finding
from pipeline_src.files import Content, write_json, write_text
from pipeline_src.text_tables import Group, Table, markdown, markdown_text

# Explanation of the verdicts, a paragraph each.
READING = (
    "Supported: the 95 % confidence interval of every comparison lies where the claim wants the "
    "effect. Refuted: one interval lies outside, at a level at which all intervals of the claim "
    "hold together in 95 % of cases. Bounded: every other interval lies within ±0.5 points of ECE "
    "or accuracy, or ±0.002 of Brier score. Otherwise: inconclusive.",
    f"Intervals come from {RESAMPLES:,} paired resamples of the images and the variance over "
    "training seeds. With one seed they leave out training variance, and a verdict is on these "
    f"networks. With fewer than {DECISIVE_SEEDS} seeds a difference of ECE or OE is decided only "
    "if the interval of the squared error agrees. Sets of fewer than "
    f"{FEW_GROUPS} images or groups decide nothing. A sentence prints the interval that decides "
    "its comparison: the joint one where the 95 % interval lies outside the wanted range.",
    "The method entry of the claim's name decides, or else the first of its kind; other entries "
    "are secondary.",
)
SYNTHETIC = "All images are synthetic: these verdicts test the pipeline and settle no claim."
COLUMNS = {  # key of a comparison in claims.json -> heading
    "what": "",
    "printed": "effect [95 % CI]",
    "printed_joint": "joint CI",
    "wanted": "wanted",
    "says": "says",
}


def write_claims(results: Results, folders: Mapping[Run, Path], out: Path) -> None:
    """Write `CLAIM_FILES` into the folder `out`.

    Args:
        folders: (method, seed) -> the folder with the `alpha.csv` of a method that learns alphas.
    """
    tables = {}
    for (method, seed), folder in folders.items():
        if method in results.facts.learned:
            tables[method, seed] = read_alphas(folder / "alpha.csv")
    write_files(judged(View(results, alphas=tables)), out)


def judged(view: View) -> Content:
    """Return the verdicts on the experiment's claims in the form of claims.json.

    `claims` has verdict, reason, evidence and secondary verdicts by claim and protocol; the
    protocol is `any` for a claim that does not depend on it. `carried_over` is the experiment's
    part in C8, the claim across experiments.

    Args:
        view: the experiment in one of its protocols; claims are judged in all.
    """
    facts = view.facts
    views = {protocol: replace(view, protocol=protocol) for protocol in facts.protocols}
    claims = []
    for name, claim in CLAIMS.items():
        if facts.claims is None or name in facts.claims:  # None: all
            seen = views if claim.by_protocol else {"any": view}
            findings = {protocol: _finding(claim, view) for protocol, view in seen.items()}
            claims.append(
                {"claim": name, "text": claim.text, "rule": claim.rule, "protocols": findings}
            )
    return {
        "experiment": facts.experiment,
        "synthetic": facts.synthetic,
        "claims": claims,
        other_tasks.CARRIED_OVER: {
            protocol: other_tasks.carried_over(view) for protocol, view in views.items()
        },
    }


def _finding(claim: Claim, view: View) -> Content:
    """Return the finding on a claim in one protocol, with the findings for secondary entries.

    An experiment may configure a method more than once. One of these entries decides the claim
    (`Facts.principal`); the others are secondary.
    """
    content = Finding.of(claim.evidence(view)).as_json()
    content["secondary"] = []
    for title, found in claim.secondary(view):
        if found.evidence:
            content["secondary"].append({"what": title, **found.as_json()})
    return content


# The files, and what the report shows of claims.json


def write_files(claims: Content, folder: Path) -> None:
    """Write the verdicts as claims.json and as text, claims.md."""
    write_json(folder / "claims.json", claims)
    write_text(folder / "claims.md", claims_markdown(claims))


def reading(claims: Content) -> list[str]:
    """Return the paragraphs that explain the verdicts of a claims.json."""
    if claims["synthetic"]:
        return [SYNTHETIC, *READING]
    return list(READING)


def verdict(claims: Content, finding: Content) -> str:
    """Return a verdict with its limits: "supported for these networks" where a method has one
    training run, "supported, on synthetic images" where all images are synthetic.

    Args:
        claims: content of claims.json.
        finding: on a claim in one protocol, or on a secondary entry.
    """
    text = finding["verdict"]
    if text == NOT_RUN:
        return text
    if finding["seeds"] == 1:
        text += " for these networks"
    if claims["synthetic"]:
        text += ", on synthetic images"
    return text


def not_run(claims: Content) -> list[Content]:
    """Return the claims that have a verdict in no protocol, because results are missing."""
    found = []
    for claim in claims["claims"]:
        if {finding["verdict"] for finding in claim["protocols"].values()} == {NOT_RUN}:
            found.append(claim)
    return found


def evidence_table(claim: Content, protocol: str) -> Table:
    """Return the comparisons that decide a claim in one protocol, grouped by dataset.

    Args:
        claim: an element of `claims` in claims.json.
    """
    caption = [f"Evidence on {claim['claim']}"]
    if protocol in PROTOCOL_NAMES:
        caption.append(PROTOCOL_NAMES[protocol])
    evidence = claim["protocols"][protocol]["evidence"]
    units = dict.fromkeys(item["unit"] for item in evidence if item["unit"])
    groups: dict[str, list[list[str]]] = {}
    for item in evidence:
        sets = " and ".join(f"{name} ({images:,} images)" for name, images in item["sets"].items())
        groups.setdefault(sets, []).append([item[column] for column in COLUMNS])
    if units:
        caption.append("; ".join(units))
    return Table(
        caption=f"{', '.join(caption)}.",
        columns=list(COLUMNS.values()),
        groups=[Group(sets, rows) for sets, rows in groups.items()],
    )


def claims_markdown(claims: Content) -> str:
    """Return the text of claims.md."""
    place = "across experiments"
    if "experiment" in claims:
        place = f"in the experiment {claims['experiment']}"
    lines = [f"# Claims {place}", *reading(claims)]
    for claim in claims["claims"]:
        lines += [f"## {claim['claim']}", claim["text"], f"*Rule:* {claim['rule']}"]
        for protocol, finding in claim["protocols"].items():
            lines.append(_finding_markdown(claims, finding, PROTOCOL_NAMES.get(protocol, protocol)))
            if finding["evidence"]:
                lines.append(markdown(evidence_table(claim, protocol)).strip())
            if finding["secondary"]:
                lines.append("Secondary, which decide nothing:")
                texts = [
                    _finding_markdown(claims, item, item["what"]) for item in finding["secondary"]
                ]
                lines.append("\n".join(f"- {text}" for text in texts))
    return "\n\n".join(lines) + "\n"


def _finding_markdown(claims: Content, finding: Content, title: str) -> str:
    """Return a line of claims.md: title, verdict with its limits, and reason.

    Args:
        claims: content of claims.json.
        finding: on a claim in one protocol, or on a secondary entry.
        title: the name of the protocol, or of the secondary entry.
    """
    words = verdict(claims, finding)
    return f"{markdown_text(title)}: **{words}**. {markdown_text(finding['why'])}"
