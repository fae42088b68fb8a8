"""C8: whether ASLP carries over to other tasks, from the claims.json of the experiments on them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

from pipeline_src.analysis.facts import MAIN_TASK, ExperimentSummary, run_command
from pipeline_src.claims.checks import MARGIN, NOT_LOWER, View
from pipeline_src.claims.verdict import BELOW_ZERO, MARGINS, Evidence, Finding, Missing
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.metrics.registry import METRICS

TEXT = "It carries over to camouflaged objects, smoke and semantic segmentation."
RULE = (
    "In the experiments on each of these tasks, ECE of ASLP_MC and ASLP_MEI is below the baseline's and their accuracy "
    f"at most {100 * MARGIN:g} percentage points below it, on every ID set."
)
TASKS = ("cod", "smoke", "semantic")  # that the claim names, in the catalog's words; others are secondary
SUBJECTS = ("aslp_mc", "aslp_mei")
TARGETS = {"ece": BELOW_ZERO, "accuracy": NOT_LOWER}
AGAINST_BASELINE = "against_baseline"  # the key of claims.json under which an experiment contributes


def comparisons_with_baseline(view: View) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return what an experiment contributes in one protocol: comparisons by code of a subject and metric, for JSON."""
    facts, by_code = view.facts, dict[str, dict[str, list[dict[str, Any]]]]()
    for code in SUBJECTS:
        if (entry := facts.principal(code)) and facts.baseline:
            for metric, target in TARGETS.items():
                items = [view.difference(metric, target, entry, facts.baseline, part) for part in view.sets("id")]
                found = [item.as_json() if isinstance(item, Evidence) else asdict(item) for item in items]
                by_code.setdefault(code, {})[metric] = found
    return by_code


def judged(experiments: Sequence[ExperimentSummary], tasks: Mapping[str, str]) -> dict[str, Any]:
    """Return the claim as claims.json has it.

    Args:
        experiments: all of params.yaml, whether they were run or not.
        tasks: task of the catalog -> its description.
    """
    by_task: dict[str, list[ExperimentSummary]] = {task: [] for task in TASKS}
    for summary in experiments:
        if summary.task != MAIN_TASK:
            by_task.setdefault(summary.task, []).append(summary)
    contents = {summary.name: _content(summary) for summaries in by_task.values() for summary in summaries}
    by_protocol = {}
    for protocol in PROTOCOLS:
        items = {t: list(_task_items(protocol, tasks.get(t, t), by_task[t], contents)) for t in by_task}
        main = Finding.of(item for task in TASKS for item in items[task])
        others = [{"what": tasks.get(t, t), **Finding.of(items[t]).as_json()} for t in items if t not in TASKS]
        by_protocol[protocol] = main.as_json() | {"secondary": [item for item in others if item["evidence"]]}
    return {
        "synthetic": any(content.get("synthetic") for content in contents.values()),
        "claims": [{"claim": "C8", "text": TEXT, "rule": RULE, "protocols": by_protocol}],
    }


def _content(summary: ExperimentSummary) -> dict[str, Any]:
    """Return the claims.json of an experiment; empty where it has none. UserError where it is damaged."""
    file = summary.folder / "claims.json"
    if summary.unread or not file.is_file():
        return {}
    with summary.reading(file, "the verdicts that the experiment wrote"):
        return dict(json.loads(file.read_bytes()).items())


def _task_items(
    protocol: str, task: str, experiments: Sequence[ExperimentSummary], contents: Mapping[str, Mapping[str, Any]]
) -> Iterator[Evidence | Missing]:
    """Yield comparisons on one task, and what is missing; `contents` are the claims.json by experiment."""
    if not experiments:
        yield Missing(f"an experiment on {task}", "add one that trains on such a set (docs/reference/datasets.md).")
    for summary in experiments:
        name, place = summary.name, f"{task} ({summary.name})"
        by_protocol = contents[name].get(AGAINST_BASELINE)
        if by_protocol is None:
            why = f": {summary.unread}" if summary.unread else ""
            yield Missing(f"the experiment {name} ({task}){why}", f"run: {run_command(name)}")
        elif protocol in by_protocol:  # several classes have one protocol
            for code, metric in product(SUBJECTS, TARGETS):
                items = by_protocol[protocol].get(code, {}).get(metric)
                if not items:
                    what = f"{code}, the baseline and a test set in distribution in {place}"
                    yield Missing(what, f"add them to {name} and run: {run_command(name)}")
                for item in items or []:
                    if "do" in item:
                        yield Missing(**item)
                    else:
                        named = {**item, "what": f"{place}: {item['what']}"}
                        yield Evidence.from_json(named, TARGETS[metric], METRICS[metric], MARGINS[metric])
