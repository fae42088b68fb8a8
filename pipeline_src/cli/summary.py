"""The main numbers of a finished experiment on the terminal."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from pipeline_src.claims.text import not_run, protocols
from pipeline_src.cli.options import plain_console
from pipeline_src.metrics.registry import METRICS
from pipeline_src.pipeline.experiment import ExperimentGraph


def print_summary(graph: ExperimentGraph) -> None:
    """Print ECE and accuracy (unnormalized maps) of all methods by data set, and the verdicts on the claims."""
    console = plain_console()
    if (job := graph.job("tables")).is_made:
        rows = pd.read_csv(job.folder / "main.csv", keep_default_na=False, na_values=[""])  # a method may be called NA
        console.print(_table(graph, rows), soft_wrap=False)
    if (job := graph.job("claims")).is_made:
        claims = json.loads(job.paths[0].read_text(encoding="utf-8"))
        if len(not_run(claims)) < len(claims["claims"]):
            console.print(_claims(claims), soft_wrap=False)
        if absent := not_run(claims):
            console.print(f"Claims not run here: {', '.join(claim['claim'] for claim in absent)} (the report says why)")


def _claims(claims: dict[str, Any]) -> Table:
    """A claim with a verdict per protocol."""
    table = Table(title=f"Claims: {claims['experiment']}{', on generated images' if claims['synthetic'] else ''}")
    table.add_column("claim")
    for protocol in protocols(claims):
        table.add_column(protocol, no_wrap=True)
    absent = not_run(claims)
    for claim in (claim for claim in claims["claims"] if claim not in absent):
        facts = claim["protocols"]
        cells = ((facts.get(protocol) or facts["any"])["verdict"] for protocol in protocols(claims))
        table.add_row(f"{claim['claim']} {claim['text']}", *cells)
    return table


def _table(graph: ExperimentGraph, rows: pd.DataFrame) -> Table:
    table = Table(title=f"{graph.name}: ECE / accuracy in %, raw, {graph.facts.bins} bins; *: the lowest ECE")
    table.add_column("method")
    for part, role in graph.facts.parts.items():
        table.add_column(part if role == "val" else f"{part} ({role})", justify="right")
    raw = rows[rows.protocol == "raw"].groupby(["method", "part"])[["ece", "accuracy"]].mean()
    least = raw["ece"].groupby("part").min()
    for method in graph.methods:
        cells = []
        for part in graph.facts.parts:
            ece, accuracy = raw.loc[(method, part)]
            printed, best = (METRICS["ece"].number(value) for value in (ece, least[part]))
            marked = printed + "*" * (printed == best)  # a pipe has no bold
            cells.append(Text(f"{marked} / {METRICS['accuracy'].number(accuracy)}", "bold" * (printed == best)))
        table.add_row(method, *cells)
    return table
