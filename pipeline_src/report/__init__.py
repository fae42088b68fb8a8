"""One page that shows an experiment: words, claims, diagrams, tables, figures, how it was made. It needs no network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline_src.analysis.results import LIKE_ID, ROLES, Numbers, Results
from pipeline_src.analysis.samples import sample
from pipeline_src.claims import text
from pipeline_src.figures.catalogue import Picture
from pipeline_src.files import write_text
from pipeline_src.metrics.formats import ALL_METRICS
from pipeline_src.report import summary
from pipeline_src.report.diagrams import diagrams
from pipeline_src.report.gallery import gallery
from pipeline_src.report.recommendation import recommendation, standing_rows
from pipeline_src.report.standing import BASELINE, Estimate, Standing
from pipeline_src.tables.captions import heading, seeds_in_words, size_in_words
from pipeline_src.text_tables import UNDEFINED

HERE = Path(__file__).parent
SCRIPTS = ("vendor/d3.min.js", "vendor/plot.min.js", "page.js", "diagram.js")


def write_report(
    results: Results,
    tables: Path,
    pictures: Sequence[Picture],
    figures: Path,
    out: Path,
    params: Mapping[str, Any] | None = None,
    made: Mapping[str, str] | None = None,
    data: Sequence[Mapping[str, Any]] = (),
    command: str | None = None,
    claims: Mapping[str, Any] | None = None,
) -> None:
    """Write the page.

    Args:
        tables: folder that `tables.main.write_tables` wrote.
        pictures: the catalogue of the experiment's figures.
        figures: folder that `figures.main.write_figures` wrote.
        out: the HTML file.
        params: the resolved experiment; printed as YAML.
        made: versions, commit, hardware and the like, name -> text; what is not known is left out.
        data: a row per data set (manifest and store summaries), name of the column -> value.
        command: what makes all of it again.
        claims: what claims.json holds; left out if there is none.

    Raises:
        UserError: a statistic or a figure is missing.
    """
    numbers, samples = _numbers(tables / "main.csv"), sample(results)
    printed = json.loads((tables / "printed.json").read_text(encoding="utf-8"))
    inside = {protocol: Standing.of(results, samples, protocol, LIKE_ID) for protocol in results.protocols}
    outside = {protocol: Standing.of(results, samples, protocol, ("ood",)) for protocol in results.protocols}
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            css=Markup((HERE / "report.css").read_text(encoding="utf-8")),
            scripts=[Markup((HERE / name).read_text(encoding="utf-8")) for name in SCRIPTS],
            experiment=results.experiment,
            facts=_facts(results),
            protocols=results.protocols,
            caution=summary.caution(results),
            recommended={
                protocol: recommendation(inside[protocol], outside[protocol]) for protocol in results.protocols
            },
            standing={protocol: standing_rows(inside[protocol], outside[protocol]) for protocol in results.protocols},
            inside=inside["raw"],
            outside=outside["raw"],
            cards=[_card(results, numbers, part) for part in results.parts],
            reading=summary.reading(results),
            claims=[_claim(claims, claim) for claim in claims["claims"]] if claims else [],
            claims_reading=text.reading(claims) if claims else [],
            diagrams=diagrams(results) | {"parts": [_part(results, numbers, part) for part in results.parts]},
            **_first_choice(results, inside["raw"]),
            tables={f"{'' if name == 'main' else name} {_title(of)}".strip(): of for name, of in printed.items()},
            part_of={heading(results, numbers, part): part for part in results.parts},
            gallery=gallery(pictures, figures),
            command=command,
            made=made or {},
            data=_data(data),
            params=yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True) if params else "",
        )
    )
    write_text(out, html + "\n")


def _numbers(file: Path) -> Numbers:
    """The numbers of the main table, exactly; why some are undefined stands below the printed tables."""
    names = dict.fromkeys(("protocol", "part", "role", "method"), str)
    table = pd.read_csv(file, dtype=names, keep_default_na=False, na_values=[""])
    return Numbers(table, {})


def _environment() -> Environment:
    """Everything that is put into the page is escaped; what is undefined is an error, not a gap."""
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"small": _small, "estimate": _estimate}
    return made


def _small(cell: str) -> Markup:
    """A cell of a table; what stands after the number, its spread and interval, is set small."""
    number, *rest = re.split(r"(?= [±\[])", cell, maxsplit=1)
    return escape(number) + (Markup("<small>{}</small>").format(rest[0]) if rest else "")


def _estimate(found: Estimate | None) -> Markup:
    """A fraction in percent, with its interval."""
    return _small(ALL_METRICS["ece"].text(found.value, low=found.low, high=found.high) if found else UNDEFINED)


def _facts(results: Results) -> list[str]:
    methods, parts = len(results.methods), len(results.parts)
    return [
        f"{methods} method{'s' * (methods > 1)}",
        f"{parts} data set{'s' * (parts > 1)}",
        f"{results.epochs} epochs",
        seeds_in_words(results),
    ]


def _part(results: Results, numbers: Numbers, part: str) -> dict[str, str]:
    role = results.parts[part]
    return {"name": part, "role": role, "about": f"{ROLES[role]}, {size_in_words(numbers, part)}"}


def _first_choice(results: Results, inside: Standing) -> dict[str, Any]:
    """What the diagrams show at first: the baseline and the best calibrated other method on the first set."""
    best = [m for m in inside.methods if m != BASELINE][:1]
    methods = [m for m in results.methods if m == BASELINE or m in best] or results.methods[:1]
    return {"first_methods": methods, "first_set": next(iter(inside.parts or results.parts))}


def _card(results: Results, numbers: Numbers, part: str) -> dict[str, Any]:
    texts = {protocol: summary.lowest(results, numbers, protocol, part) for protocol in results.protocols}
    return {**_part(results, numbers, part), "remark": results.remarks.get(part, ""), "texts": texts}


def _title(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """What a table shows: the start of its caption."""
    return re.split(r", \w+ protocol|\.", next(iter(tables.values()))["caption"])[0]


def _claim(claims: Mapping[str, Any], claim: Mapping[str, Any]) -> dict[str, Any]:
    """A claim as it is shown; its verdicts say so where they come from generated images."""

    def shown(facts: Mapping[str, Any]) -> dict[str, str]:
        return {"verdict": text.verdict(claims, facts), "css": facts["verdict"].replace(" ", "-"), "why": facts["why"]}

    by_protocol = {}
    for protocol, facts in claim["protocols"].items():
        beside = [{"what": item["what"], **shown(item)} for item in facts["beside"]]
        by_protocol[protocol] = {**shown(facts), "evidence": text.evidence(claim, protocol), "beside": beside}
    return {"name": claim["claim"], "text": claim["text"], "rule": claim["rule"], "protocols": by_protocol}


def _data(rows: Sequence[Mapping[str, Any]]) -> dict[str, list]:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return {"columns": columns, "rows": [[row.get(column, "") for column in columns] for row in rows]}
