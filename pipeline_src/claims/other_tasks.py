"""C8: whether ASLP carries over to other tasks, from the claims.json of the experiments on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pipeline_src.analysis.facts import ExperimentSummary, run_command
from pipeline_src.claims.checks import MARGIN, NOT_LOWER, View, against_baseline
from pipeline_src.claims.registry import Claim
from pipeline_src.claims.verdict import (
    BELOW_ZERO,
    Finding,
    Items,
    Missing,
    verdict_of,
)
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.files import Content

# Tasks that the claim names, as the catalog of datasets calls them: camouflaged objects, smoke,
# semantic segmentation.
TASKS = ("cod", "smoke", "semantic")
# The key under which an experiment's claims.json holds the finding on its own task.
CARRIED_OVER = "carried_over"


def accurate_and_calibrated(view: View, entry: str) -> Items:
    """Check that ECE is below the baseline's, and that accuracy is kept, on every ID set.

    Args:
        entry: the name of a method in `methods:` of params.yaml.
    """
    yield from against_baseline("id", BELOW_ZERO, "ece")(view, entry)
    yield from against_baseline("id", NOT_LOWER, "accuracy")(view, entry)


C8 = Claim(
    "It carries over to camouflaged objects, smoke and semantic segmentation.",
    "In the experiments on each of these tasks, ECE of ASLP_MC and ASLP_MEI is below the "
    f"baseline's and their accuracy at most {100 * MARGIN:g} percentage points below it, on every "
    "ID set.",
    ["aslp_mc", "aslp_mei"],
    accurate_and_calibrated,
)


def carried_over(view: View) -> Content:
    """Return an experiment's part in C8, in the protocol of `view`: the finding on its own task.

    It is stored in the experiment's claims.json, from which `judged` reads it. Its level is that of
    a claim on an experiment for each task.
    """
    return Finding.of(C8.evidence(view), findings=len(TASKS)).as_json()


def judged(experiments: Sequence[ExperimentSummary], tasks: Mapping[str, str]) -> Content:
    """Return the verdict on C8 (it carries over to other tasks) in the form of claims.json: text,
    rule, and by protocol verdict, reason, evidence and missing results.

    Args:
        experiments: all of params.yaml, whether they were run or not.
        tasks: task of the catalog -> its description.
    """
    contents = {}  # experiment -> its claims.json; empty if it was not run
    for summary in experiments:
        if summary.task in TASKS:
            contents[summary.name] = _stored_claims(summary)
    by_protocol = {}
    for protocol in PROTOCOLS:
        findings = []
        for task in TASKS:
            on_task = [summary for summary in experiments if summary.task == task]
            findings.append(_on_task(protocol, tasks.get(task, task), on_task, contents))
        # Further entries of a method have findings in "secondary"; C8 judges none.
        by_protocol[protocol] = {**_combined(findings), "secondary": []}
    return {
        "synthetic": any(content.get("synthetic") for content in contents.values()),
        "claims": [{"claim": "C8", "text": C8.text, "rule": C8.rule, "protocols": by_protocol}],
    }


def _stored_claims(summary: ExperimentSummary) -> Content:
    """Return the claims.json of an experiment; empty without a file, a UserError if damaged."""
    file = summary.folder / "claims.json"
    if not file.is_file():
        return {}
    with summary.reading(file, "the verdicts that the experiment wrote"):
        # `items` fails if the content is no mapping; `reading` turns this into a UserError.
        return dict(json.loads(file.read_bytes()).items())


def _on_task(
    protocol: str,
    task: str,
    experiments: Sequence[ExperimentSummary],
    contents: Mapping[str, Content],
) -> Content:
    """Return the finding on a task from its experiments, in one protocol.

    Args:
        task: its description.
        experiments: those on this task; there may be none.
        contents: name of an experiment -> its claims.json, empty if it was not run.
    """
    if not experiments:
        return _absent(f"an experiment on {task}", "add one that trains on such a set")
    findings = []
    for summary in experiments:
        place = f"{task} ({summary.name})"
        by_protocol = contents[summary.name].get(CARRIED_OVER)
        if by_protocol is None:
            findings.append(_absent(place, f"run: {run_command(summary.name)}"))
        elif protocol in by_protocol:  # an experiment with several classes has only one protocol
            finding = dict(by_protocol[protocol])
            finding["why"] = f"{place}: {finding['verdict']}. {finding['why']}"
            finding["evidence"] = [
                {**item, "what": f"{place}: {item['what']}"} for item in finding["evidence"]
            ]
            findings.append(finding)
    return _combined(findings)


def _absent(subject: str, change: str) -> Content:
    """Return the finding that has no evidence because a result is missing.

    Args:
        subject: what is missing.
        change: the change of params.yaml, or the command, that adds it.
    """
    return Finding(evidence=[], missing=[Missing(what=subject, do=change)]).as_json()


def _combined(findings: Sequence[Content]) -> Content:
    """Return the finding that follows from the findings of several experiments or tasks: all their
    comparisons together must support the claim.
    """
    evidence = []
    missing = []
    for finding in findings:
        evidence += finding["evidence"]
        missing += finding["missing"]
    says = {item["says"] for item in evidence}
    return {
        "verdict": verdict_of(says, is_complete=not missing),
        "seeds": min((finding["seeds"] for finding in findings if finding["evidence"]), default=0),
        "why": " ".join(finding["why"] for finding in findings),
        "evidence": evidence,
        "missing": missing,
    }
