"""The model card: README.md of an exported folder, with the tags that model hubs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline_src.analysis.estimate import estimate
from pipeline_src.analysis.facts import ROLES
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.results import Results
from pipeline_src.export.folder import CALIBRATOR, CONFIG, INPUT, MODEL, ONNX, SUMS, Preprocessing
from pipeline_src.export.onnx_file import OPSET
from pipeline_src.export.runs import FinishedRun
from pipeline_src.metrics.registry import METRICS, SUMMARY
from pipeline_src.pipeline import job_names
from pipeline_src.pipeline.runner import check_results
from pipeline_src.text_tables import UNDEFINED
from pipeline_src.training.models.config import is_factory
from pipeline_src.training.posthoc import PostHoc
from pipeline_src.training.registry import docstring_lines

CONTENT = {
    MODEL: "the model, from images to probabilities, as a program of torch.export",
    ONNX: f"the same model as ONNX, opset {OPSET}",
    INPUT: "size, channels and normalization of the input, and classes; the model contains all of it",
    CALIBRATOR: "the calibrator, and the pixels that it was fitted to",
    SUMS: "the SHA-256 of these files, for `sha256sum --check`",
    CONFIG: "the experiment, method and network in full",
}
Measured = Mapping[str, tuple[str, Measurement]]  # role and measurement by test set


def card_text(
    run: FinishedRun,
    settings: Preprocessing,
    calibrator: Mapping[str, Any] | None,
    seeds: Sequence[int],
    onnx: bool,
    added: bool,
) -> str:
    """The card of a run.

    Args:
        calibrator: the content of calibrator.json, if there is one.
        seeds: the seed of each network.
        onnx: whether there is a model.onnx.
        added: whether the calibrator was fitted elsewhere, so no numbers of network and calibrator are known.
    """
    graph = run.experiment
    block = graph.methods[run.method].method
    measured = {} if added else measurements(run)
    metrics = [name for name in SUMMARY if any(name in result.points for _, result in measured.values())]
    absent = {CALIBRATOR: not calibrator, ONNX: not onnx}
    network = graph.settings.model.network
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template("card.md.j2").render(
        run=run,
        facts=graph.facts,
        experiment=graph.settings,
        settings=settings,
        calibrator=calibrator,
        seeds=seeds,
        onnx=onnx,
        opset=OPSET,
        added=added,
        trained=block.of if isinstance(block, PostHoc) else run.method,
        source=lambda method: _source(run, method),
        train=graph.parts_as_written["train"][0],
        validation=graph.parts_as_written["val"][0],
        pretrained=None if is_factory(network) else graph.settings.model.pretrained,
        titles=[METRICS[name].column for name in metrics],
        rows=[
            [part, ROLES[role], result.size, *(_text(result, name) for name in metrics)]
            for part, (role, result) in measured.items()
        ],
        data=_data(run),
        files={name: text for name, text in CONTENT.items() if not absent.get(name)},
    )


def measurements(run: FinishedRun) -> Measured:
    """The numbers of the run's own network on the test sets whose analysis is current."""
    graph = run.experiment
    current = {part: job for part in graph.facts.tests if (job := graph.job(job_names.analysis(part))).is_made}
    check_results(current.values(), "the card", graph.command)
    facts = replace(graph.facts, parts={part: graph.facts.parts[part] for part in current})
    results = Results(facts, {part: job.paths[0] for part, job in current.items()})
    names = {*SUMMARY, *(METRICS[name].decided_by for name in SUMMARY)}
    measured = {}
    for part in current:
        if result := results.measurement("raw", run.method, part):
            points, values = (
                {name: result.of_seeds(table[name], [run.seed]) for name in names & set(result.points)}
                for table in (result.points, result.values)
            )
            network = replace(result, seeds=[run.seed], points=points, values=values, of_all_seeds=False)
            measured[part] = graph.facts.parts[part], network
    return measured


def _source(run: FinishedRun, method: str) -> str:
    """ ": " and the source of a method; empty for a method without a source, such as a baseline."""
    source = docstring_lines(type(run.experiment.methods[method].method)).get("Source", "a custom method")
    return "" if source == UNDEFINED else f": {source}"


def _text(measured: Measurement, name: str) -> str:
    estimated = estimate(name, (measured, 1.0))
    return METRICS[name].text(estimated.value, low=estimated.low, high=estimated.high) if estimated else "undefined"


def _data(run: FinishedRun) -> list[tuple[str, str, str]]:
    """The name, uses and terms of each dataset of the run."""
    graph, uses = run.experiment, dict[str, list[str]]()
    for part, (source, role) in graph.stored_parts.items():
        uses.setdefault(source.set, []).append({"train": "training", "val": "validation"}.get(role, f"test ({part})"))
    return [(name, ", ".join(uses[name]), graph.entries[name].terms or "not stated in params.yaml") for name in uses]
