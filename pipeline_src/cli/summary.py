"""The main numbers of a finished experiment on the terminal."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from rich.table import Table

from pipeline_src.claims.write import not_run, protocols
from pipeline_src.cli.options import plain_console
from pipeline_src.metrics.registry import METRICS
from pipeline_src.pipeline.experiment import ExperimentGraph


def print_summary(graph: ExperimentGraph) -> None:
    """Print ECE and accuracy (unnormalized maps) of all methods by dataset, and the verdicts on the claims."""
    console = plain_console()
    if (job := graph.job("tables")).is_made:
        rows = pd.read_csv(job.folder / "main.csv", keep_default_na=False, na_values=[""])  # a method may be called NA
        console.print(_metrics(graph, rows), soft_wrap=False)
    if (job := graph.job("claims")).is_made:
        claims = json.loads(job.paths[0].read_text(encoding="utf-8"))
        absent = not_run(claims)
        if len(absent) < len(claims["claims"]):
            console.print(_verdicts(claims), soft_wrap=False)
        if absent:
            console.print(f"Claims not run here: {', '.join(claim['claim'] for claim in absent)} (the report says why)")


def _verdicts(claims: dict[str, Any]) -> Table:
    table = Table(title=f"Claims: {claims['experiment']}{', on generated images' if claims['synthetic'] else ''}")
    table.add_column("claim")
    for protocol in protocols(claims):
        table.add_column(protocol, no_wrap=True)
    absent = not_run(claims)
    for claim in claims["claims"]:
        if claim not in absent:
            found = claim["protocols"]
            cells = ((found.get(protocol) or found["any"])["verdict"] for protocol in protocols(claims))
            table.add_row(f"{claim['claim']} {claim['text']}", *cells)
    return table


def _metrics(graph: ExperimentGraph, rows: pd.DataFrame) -> Table:
    table = Table(title=f"{graph.name}: ECE / accuracy in %, raw, {graph.facts.bins} bins; *: the lowest ECE")
    table.add_column("method")
    for part, role in graph.facts.parts.items():
        table.add_column(part if role == "val" else f"{part} ({role})", justify="right")
    means = rows[rows.protocol == "raw"].groupby(["method", "part"])[["ece", "accuracy"]].mean()
    least = means["ece"].groupby("part").min()
    for method in graph.methods:
        cells = []
        for part in graph.facts.parts:
            ece, accuracy = means.loc[(method, part)]
            printed, lowest = METRICS["ece"].number(ece), METRICS["ece"].number(least[part])
            cells.append(f"{printed}{'*' * (printed == lowest)} / {METRICS['accuracy'].number(accuracy)}")
        table.add_row(method, *cells)
    return table
