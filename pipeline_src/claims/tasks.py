"""C8: whether ASLP carries over to other tasks, from what the experiments on them found.

Every experiment keeps in its claims.json how ASLP_MC and ASLP_MEI compare with the baseline in distribution. C8 gathers
that from the experiments of params.yaml whose training set shows another task than salient objects, as it lies in
results/ at the moment: like table T5 it is part of no contract, and is made again after every run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from pipeline_src.claims.checks import KEPT, MARGIN
from pipeline_src.claims.evidence import BELOW_ZERO, Evidence, Finding, Missing
from pipeline_src.claims.view import View
from pipeline_src.tables.across import MAIN_TASK, ExperimentSummary

NAME = "C8"
TEXT = "It carries over to camouflaged objects, smoke and semantic segmentation."
RULE = (
    "In the experiments on each of these tasks, ECE of ASLP_MC and ASLP_MEI is below the baseline's and their accuracy "
    f"at most {100 * MARGIN:g} percentage points below it, on every ID set. What lies in results/ at the moment counts."
)
TASKS = ("cod", "smoke", "semantic")  # that the claim speaks of, in the catalog's words; others are judged beside
SUBJECTS = ("aslp_mc", "aslp_mei")
WANTED = {"ece": BELOW_ZERO, "accuracy": KEPT}
COMPARED = "against_baseline"  # where claims.json has what an experiment contributes


def against_baseline(view: View) -> dict[str, dict[str, dict[str, list]]]:
    """What an experiment contributes: its comparisons by protocol, code of a subject and metric, for JSON."""
    return {protocol: _compared(replace(view, protocol=protocol)) for protocol in view.results.protocols}


def _compared(view: View) -> dict[str, dict[str, list]]:
    found: dict[str, dict[str, list]] = {}
    for baseline in view.blocks("baseline")[:1]:
        for code in SUBJECTS:
            for block in view.blocks(code)[:1]:
                by_metric = {
                    metric: [view.difference(metric, wanted, block, baseline, part) for part in view.parts("id")]
                    for metric, wanted in WANTED.items()
                }
                found[code] = {
                    metric: [item.facts() if isinstance(item, Evidence) else asdict(item) for item in items]
                    for metric, items in by_metric.items()
                }
    return found


def judged(
    own: Mapping[str, Any], experiments: Sequence[ExperimentSummary], texts: Mapping[str, str]
) -> dict[str, Any]:
    """The claim as claims.json has it.

    Args:
        own: what claims.json of this experiment holds.
        experiments: all of params.yaml, this one among them.
        texts: the catalog's tasks in words.
    """
    left = {e.name: own if e.name == own["experiment"] else _left(e) for e in experiments}
    more = [task for task in dict.fromkeys(e.task for e in experiments) if task not in (MAIN_TASK, *TASKS)]
    by_protocol = {}
    for protocol in own[COMPARED]:
        found = {
            task: list(_evidence(protocol, task, texts.get(task, task), experiments, left)) for task in (*TASKS, *more)
        }
        aside = [{"what": texts.get(task, task), **Finding.of(found[task]).facts()} for task in more]
        main = Finding.of(item for task in TASKS for item in found[task])
        by_protocol[protocol] = main.facts() | {"beside": [item for item in aside if item["evidence"]]}
    return {"claim": NAME, "text": TEXT, "rule": RULE, "protocols": by_protocol}


def _left(experiment: ExperimentSummary) -> Mapping[str, Any]:
    """What an experiment left in results/; nothing if it was not run."""
    file = experiment.tables.parent / "claims.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _evidence(
    protocol: str, task: str, text: str, experiments: Sequence[ExperimentSummary], left: Mapping[str, Mapping[str, Any]]
) -> Iterator[Evidence | Missing]:
    """Comparisons on one task, and what is missing for them."""
    here = [e.name for e in experiments if e.task == task]
    if not here:
        yield Missing(f"an experiment on {text}", "add one to params.yaml that trains on such a set (docs/data.md).")
    for name in here:
        run = f"run: snakemake --cores all --config experiment={name}"
        if COMPARED not in left[name]:
            yield Missing(f"the experiment {name} ({text})", run)
        elif protocol in left[name][COMPARED]:  # several classes have no stretched protocol
            yield from _of_experiment(left[name][COMPARED][protocol], f"{text} ({name})", name, run)


def _of_experiment(by_code: Mapping[str, Any], where: str, name: str, run: str) -> Iterator[Evidence | Missing]:
    for code in SUBJECTS:
        if code not in by_code:
            yield Missing(f"{code} beside the baseline in {where}", f"add both to “methods:” of {name} and {run}")
        for metric, items in by_code.get(code, {}).items():
            if not items:
                yield Missing(f"a test set in distribution of {where}", f"add one to “data: id:” of {name} and {run}")
            for facts in items:
                missing = "do" in facts
                yield Missing(**facts) if missing else Evidence.read(facts, f"{where}: ", WANTED[metric])
