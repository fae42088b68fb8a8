"""What each step does: a job of the graph, its inputs opened, its outputs written. The command line is `cli.py`."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline_src.claims import CLAIM_FILES
from pipeline_src.counting.statistic import protocols
from pipeline_src.data import catalog, part_checks
from pipeline_src.engine.execute import execute
from pipeline_src.figures import catalogue
from pipeline_src.figures.catalogue import Facts
from pipeline_src.steps import one_run
from pipeline_src.steps.data_notes import coverage, remarks
from pipeline_src.steps.experiment import Graph
from pipeline_src.steps.graph import UNPACKED
from pipeline_src.training import distributed as ranks

log = logging.getLogger(__name__)

# Heavy imports (torch: 1.5 s, mmseg: 4 s, matplotlib: 1 s) stay inside the steps that need them.


def prepare(graph: Graph, set_name: str, contract: str | None = None) -> None:
    """Unpack, pair and verify a data set; write its manifest and list of problems."""
    from pipeline_src.data.prepare import prepare as run
    from pipeline_src.errors import UserError
    from pipeline_src.files import write_text

    job = graph.job(f"prepare/{set_name}")

    def work(folder: Path) -> None:
        entry = catalog.find(graph.entries, set_name)
        try:
            run(entry, graph.data_root, UNPACKED, folder, graph.experiment.data.on_problem)
        except UserError:
            problems = folder / "problems.csv"
            if problems.is_file():  # the list outlives the failure; the last good manifest stays beside it
                write_text(job.folder / "problems.csv", problems.read_text(encoding="utf-8"))
            raise

    execute(job, work, contract)
    part_checks.check_name_lists(graph.entries, graph.parts, graph.data_root, UNPACKED)  # of archives, it is known now
    for part in (part for part in graph.tested if graph.parts[part][0].set == set_name):
        if text := coverage(graph, part):
            log.info("%s: %s", part, text)


def store(graph: Graph, part: str, contract: str | None = None) -> None:
    """Decode and resize a part of a data set into its store."""
    from pipeline_src.data.build import build

    job = graph.job(f"store/{part}")
    chosen, _ = graph.parts[part]

    def work(folder: Path) -> None:
        entry = catalog.find(graph.entries, chosen.set)
        where = (graph.data_root, UNPACKED, graph.manifest(chosen.set), graph.experiment.image_size, folder)
        build(chosen, entry, *where, unmasked_label=graph.nothing(part))

    execute(job, work, contract)


def train(graph: Graph, method: str, seed: int, contract: str | None = None) -> None:
    """Train one run, or go on where it was stopped; export its model, history and alphas. A post-hoc method is fitted
    instead."""
    job = graph.job(f"train/{method}/seed{seed}")
    gpus = graph.experiment.training.gpus

    def work(folder: Path) -> None:
        if graph.posthoc(method):
            one_run.fit_into(graph, method, seed, folder)
        elif gpus > 1:
            verb = ["train", "--method", method, "--seed", str(seed), "--experiment", graph.name]
            ranks.launch(verb, gpus, folder)
        else:
            one_run.train_into(graph, method, seed, folder)

    made = job.folder / ("run.json" if graph.posthoc(method) else "model.safetensors")
    if execute(job, work, contract, [made]):
        shutil.rmtree(one_run.checkpoints(graph, method, seed), ignore_errors=True)  # a fit has none


def evaluate(graph: Graph, method: str, seed: int, part: str, contract: str | None = None) -> None:
    """Run the exported models that a run predicts with over a part; write its statistic and a few example maps."""
    from pipeline_src.data.store import Store
    from pipeline_src.prediction import examples
    from pipeline_src.prediction.evaluate import evaluate as run
    from pipeline_src.prediction.predict import Predictor

    job = graph.job(f"evaluate/{method}/seed{seed}/{part}")
    files = [graph.statistic(method, seed, part), graph.examples(method, seed, part)]

    def work(folder: Path) -> None:
        if part != "val":
            one_run.report_overlap(graph, "train", "val", part)
        predictor = Predictor(one_run.networks(graph, method, seed))
        if posthoc := graph.posthoc(method):
            facts = json.loads((graph.run(method, seed) / "run.json").read_text(encoding="utf-8"))
            predictor = replace(predictor, method=posthoc, seed=seed, fitted=facts["fitted"])
        store, name = Store.open(graph.store(part)), f"{method} seed {seed} on {part}"
        statistic, shown = run(predictor, store, graph.experiment, name)
        statistic.save(folder / files[0].name, {"job": job.name, "contract": job.contract})
        examples.write(folder / files[1].name, shown)

    execute(job, work, contract, files)


def _results(graph: Graph) -> Any:
    from pipeline_src.analysis.results import Results

    statistics = {(m, s, p): graph.statistic(m, s, p) for m, s in graph.runs for p in graph.tested}
    return Results(
        experiment=graph.name,
        statistics=statistics,
        parts=graph.tested,
        bins=graph.experiment.evaluation.bins,
        epochs=graph.experiment.training.epochs,
        synthetic=graph.synthetic,
        of_all_seeds=graph.of_all_seeds,
        remarks=remarks(graph),
        classes=graph.classes,
    )


def _alphas(graph: Graph) -> dict[tuple[str, int], Path]:
    """Files of the methods that learn alphas, by (method, seed)."""
    return {(m, s): graph.run(m, s) / "alpha.csv" for m, s in graph.runs if m in graph.learned}


def tables(graph: Graph, contract: str | None = None) -> None:
    """Methods by data sets as csv, Markdown and LaTeX, the paper's tables, and metrics.json for DVC."""
    from pipeline_src.steps.beside import beside
    from pipeline_src.tables.main import write_tables

    job = graph.job("tables")
    made = execute(
        job,
        lambda folder: write_tables(_results(graph), folder, folder / "metrics.json", beside(graph)),
        contract,
        [job.folder / name for name in table_files(graph)],
    )
    if not made:
        refresh_tables(graph)


def refresh_tables(graph: Graph) -> None:
    """Write those tables again that show what lies in results/ besides the experiment; no contract holds that."""
    from pipeline_src.steps.beside import beside
    from pipeline_src.tables.paper import write_elsewhere

    job = graph.job("tables")
    if job.current and all((job.folder / name).is_file() for name in table_files(graph)):
        write_elsewhere(graph.name, beside(graph), job.folder)


def table_files(graph: Graph) -> list[str]:
    """Names of the files that `tables` writes."""
    from pipeline_src.tables import TABLE_FILES

    return [*TABLE_FILES, "metrics.json"]


def figures(graph: Graph, contract: str | None = None) -> None:
    """All figures of the experiment's catalogue as SVG, PDF, PNG and the numbers behind them."""
    from pipeline_src.figures.main import write_figures
    from pipeline_src.figures.sources import Sources

    job, facts = graph.job("figures"), figure_facts(graph)
    sources = Sources(
        alphas=_alphas(graph),
        histories={(m, s): graph.run(m, s) / "history.csv" for m, s in graph.runs if m in facts.trained},
        examples={(m, p): graph.examples(m, graph.experiment.seeds[0], p) for m in facts.shown for p in facts.tests},
        stores={part: graph.store(part) for part in graph.parts},
    )
    execute(
        job,
        lambda folder: write_figures(_results(graph), facts, sources, folder),
        contract,
        [job.folder / name for name in figure_files(graph)],
    )


def figure_facts(graph: Graph) -> Facts:
    """What decides which figures the experiment has; `figures.catalogue.pictures` lists them."""
    e = graph.experiment
    return Facts(
        methods=e.methods,
        parts=graph.tested,
        seeds=e.seeds,
        bins=e.evaluation.bins,
        learned=graph.learned,
        trained=[method for method in e.methods if not graph.posthoc(method)],
        blocks=graph.blocks,
        of_all_seeds=graph.of_all_seeds,
        protocols=protocols(graph.classes),
        pictured=True,
        classes=graph.class_names,
    )


def figure_files(graph: Graph) -> list[str]:
    """Names of the files that `figures` writes."""
    return catalogue.figure_files(figure_facts(graph))


def claims(graph: Graph, contract: str | None = None) -> None:
    """Verdicts on the paper's claims, with their evidence, as JSON and Markdown."""
    from pipeline_src.claims.main import write_claims
    from pipeline_src.steps.beside import beside

    job, others = graph.job("claims"), beside(graph)
    made = execute(
        job,
        lambda folder: write_claims(
            _results(graph), graph.roles, _alphas(graph), folder, others.experiments, others.tasks
        ),
        contract,
        [job.folder / name for name in CLAIM_FILES],
    )
    if not made:
        refresh_claims(graph)


def refresh_claims(graph: Graph) -> None:
    """Judge again what rests on other experiments in results/; no contract holds that."""
    from pipeline_src.claims.main import write_other_tasks
    from pipeline_src.steps.beside import beside

    job = graph.job("claims")
    if job.current and all((job.folder / name).is_file() for name in CLAIM_FILES):
        others = beside(graph)
        write_other_tasks(job.folder, others.experiments, others.tasks)


def report(graph: Graph, contract: str | None = None) -> Path:
    """One self-contained page with all of it; where it lies."""
    from pipeline_src.report import write_report
    from pipeline_src.report.provenance import made_by, store_facts

    job, page = graph.job("report"), graph.results / "report.html"
    command = "snakemake --cores all" + ("" if graph.name == "demo" else f" --config experiment={graph.name}")

    def work(folder: Path) -> None:
        write_report(
            _results(graph),
            tables=graph.job("tables").folder,
            pictures=catalogue.pictures(figure_facts(graph)),
            figures=graph.job("figures").folder,
            out=folder / page.name,
            params=graph.experiment.model_dump(mode="json"),
            made=made_by(graph),
            data=[store_facts(graph, part) for part in graph.parts],
            command=command,
            claims=json.loads((graph.results / "claims.json").read_text(encoding="utf-8")),
        )

    execute(job, work, contract, [page])
    return page


def contracts(graph: Graph) -> None:
    """Write the contracts of each DVC stage's jobs: what DVC compares to know whether a stage is current."""
    from pipeline_src.files import write_text
    from pipeline_src.steps.graph import STAGES

    for stage, kinds in STAGES.items():
        content = {job.name: job.contract for job in graph.of_kinds(*kinds)}
        write_text(graph.results / "contracts" / f"{stage}.json", json.dumps(content, indent=1) + "\n")


def finish(graph: Graph) -> None:
    """After a run: let DVC take note of it, print the main numbers and say where the report is."""
    from pipeline_src.cli.summary import show
    from pipeline_src.engine import dvc as dvc_record

    refresh_tables(graph)
    refresh_claims(graph)
    dvc_record.record(graph)
    show(graph)
