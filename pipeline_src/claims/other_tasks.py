"""C8: whether ASLP carries over to other tasks, from the results of the experiments on them.

Every experiment keeps in its claims.json how ASLP_MC and ASLP_MEI compare with the baseline in distribution. C8 gathers
that from the experiments of params.yaml whose training set shows another task than salient objects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline_src.analysis.facts import MAIN_TASK, ExperimentSummary, run_command
from pipeline_src.claims import text
from pipeline_src.claims.checks import MARGIN, NOT_LOWER
from pipeline_src.claims.evidence import BELOW_ZERO, Evidence
from pipeline_src.claims.finding import Finding, Missing
from pipeline_src.claims.view import Items, View
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.metrics.registry import METRICS

TEXT = "It carries over to camouflaged objects, smoke and semantic segmentation."
RULE = (
    "In the experiments on each of these tasks, ECE of ASLP_MC and ASLP_MEI is below the baseline's and their accuracy "
    f"at most {100 * MARGIN:g} percentage points below it, on every ID set."
)
TASKS = ("cod", "smoke", "semantic")  # of which the claim speaks, in the catalog's words; others are secondary
SUBJECTS = ("aslp_mc", "aslp_mei")
WANTED = {"ece": BELOW_ZERO, "accuracy": NOT_LOWER}
AGAINST_BASELINE = "against_baseline"  # key of claims.json under which an experiment contributes


def against_baseline(view: View) -> dict[str, dict[str, list]]:
    """What an experiment contributes in one protocol: its comparisons by code of a subject and metric, for JSON."""
    facts, made = view.facts, {}
    for code in SUBJECTS:
        block = facts.principal(code)
        if block and facts.baseline:
            made[code] = {
                metric: [_as_json(view.difference(metric, wanted, block, facts.baseline, p)) for p in view.sets("id")]
                for metric, wanted in WANTED.items()
            }
    return made


def _as_json(item: Evidence | Missing) -> dict[str, Any]:
    return item.as_json() if isinstance(item, Evidence) else asdict(item)


def write_overview_claims(experiments: Sequence[ExperimentSummary], tasks: Mapping[str, str], folder: Path) -> None:
    """Write `claims.CLAIM_FILES` into `folder`.

    Args:
        experiments: all of params.yaml, whether they were run or not.
        tasks: the tasks of the catalog in words.
    """
    text.write(judged(experiments, tasks), folder)


def judged(experiments: Sequence[ExperimentSummary], tasks: Mapping[str, str]) -> dict[str, Any]:
    """The claim as claims.json has it; arguments as in `write_overview_claims`."""
    by_task: dict[str, list[ExperimentSummary]] = {task: [] for task in TASKS}
    for e in experiments:
        if e.task != MAIN_TASK:
            by_task.setdefault(e.task, []).append(e)
    read = [e for e in experiments if not e.unread and (e.folder / "claims.json").is_file()]
    contents = {e.name: _content(e) for e in read}
    by_protocol = {}
    for protocol in PROTOCOLS:
        items = {t: list(_of_task(protocol, tasks.get(t, t), of_task, contents)) for t, of_task in by_task.items()}
        main = Finding.of(item for task in TASKS for item in items[task])
        others = [{"what": tasks.get(t, t), **Finding.of(items[t]).as_json()} for t in items if t not in TASKS]
        by_protocol[protocol] = main.as_json() | {"secondary": [item for item in others if item["evidence"]]}
    return {
        "synthetic": any(contents.get(e.name, {}).get("synthetic") for of_task in by_task.values() for e in of_task),
        "interval": text.INTERVAL,
        "claims": [{"claim": "C8", "text": TEXT, "rule": RULE, "protocols": by_protocol}],
    }


def _content(e: ExperimentSummary) -> dict[str, Any]:
    """What the claims.json of an experiment holds; UserError where that is nothing of the kind."""
    file = e.folder / "claims.json"
    with e.reading(file, "the verdicts that the experiment wrote"):
        content = json.loads(file.read_bytes())
        if not isinstance(content, dict):
            raise ValueError(type(content).__name__)
    return content


def _of_task(
    protocol: str, task: str, experiments: Sequence[ExperimentSummary], contents: Mapping[str, Mapping[str, Any]]
) -> Items:
    """Comparisons on one task, and what is missing for them.

    Args:
        contents: experiment -> what its claims.json holds.
    """
    if not experiments:
        change = "add one to params.yaml that trains on such a set (docs/data.md)."
        yield Missing(f"an experiment on {task}", change)
    for e in experiments:
        by_protocol = contents.get(e.name, {}).get(AGAINST_BASELINE)
        if by_protocol is None:
            why = f": {e.unread}" if e.unread else ""
            yield Missing(f"the experiment {e.name} ({task}){why}", f"run: {run_command(e.name)}")
        elif protocol in by_protocol:  # several classes have no stretched protocol
            yield from _of_experiment(by_protocol[protocol], f"{task} ({e.name})", e.name)


def _of_experiment(by_code: Mapping[str, Any], where: str, name: str) -> Items:
    change = f"of {name} and run: {run_command(name)}"
    for code in SUBJECTS:
        if code not in by_code:
            yield Missing(f"{code} and the baseline in {where}", f"add both to “methods:” {change}")
        for metric, items in by_code.get(code, {}).items():
            if not items:
                yield Missing(f"a test set in distribution of {where}", f"add one to “data: id:” {change}")
            for item in items:
                if "do" in item:
                    yield Missing(**item)
                else:
                    named = {**item, "what": f"{where}: {item['what']}"}
                    yield Evidence.from_json(named, WANTED[metric], METRICS[metric])
