"""One page that shows an experiment: recommendation, claims, tables, figures and provenance. It works offline."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.facts import PROTOCOL_NAMES, ROLES, Facts
from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.results import Results
from pipeline_src.claims import text
from pipeline_src.files import write_text
from pipeline_src.metrics.metric import Difference
from pipeline_src.metrics.registry import METRICS
from pipeline_src.report import gallery
from pipeline_src.report.recommendation import RULE, ProtocolComparison, overview, recommend, sentences
from pipeline_src.tables.captions import LEGEND, SYNTHETIC
from pipeline_src.tables.paper_table import SIGNS
from pipeline_src.text_tables import UNDEFINED, Table

HERE = Path(__file__).parent
SCRIPTS = ("vendor/d3.min.js", "vendor/plot.min.js", "page.js", "diagram.js")
PRINTED_TABLES = 6  # the first, up to T6; others are printed where the reader opened them
OTHER_ROLES = ("shifted", "ood")


def write_report(
    results: Results,
    *,
    tables: Path,
    figures: Path,
    out: Path,
    claims: Mapping[str, Any],
    params: Mapping[str, Any],
    made: Mapping[str, str],
    data: Sequence[Mapping[str, Any]],
    described: Mapping[str, Mapping[str, str]],
    task: str,
    command: str,
    fitted: Mapping[tuple[str, int], Mapping[str, float]] | None = None,
    judged: Mapping[str, Table] | None = None,
    published: bool = False,
) -> None:
    """Write the page.

    Args:
        tables: folder that `tables.write.write_tables` wrote.
        figures: folder that `figures.registry.write_figures` wrote.
        out: the HTML file.
        claims: the content of claims.json.
        params: the resolved experiment; printed as YAML.
        made: versions, commit, hardware and the like, name -> text; what is not known is left out.
        data: a row per dataset, name of the column -> value.
        described: method -> its `title` and its `idea` in a sentence.
        task: what the training images show, as text; empty if it is not known.
        command: the command that reproduces the page.
        fitted: (method, seed) -> the fitted values of a post-hoc method, name -> value.
        judged: protocol -> table of models evaluated from saved maps.
        published: whether all comes from the published counts, without networks.

    Raises:
        UserError: a result or a figure is missing.
    """
    facts = results.facts
    printed = json.loads((tables / "printed.json").read_text(encoding="utf-8"))
    if judged:
        printed["T8"] = {protocol: asdict(table) for protocol, table in judged.items()}
    absent = text.not_run(claims)
    html = (
        _environment({method: words["idea"] for method, words in described.items()})
        .get_template("report.html.j2")
        .render(
            css=Markup((HERE / "report.css").read_text(encoding="utf-8")),
            scripts=[Markup((HERE / name).read_text(encoding="utf-8")) for name in SCRIPTS],
            facts=facts,
            title=_title(facts),
            about=_about(facts, task, params),
            protocol_names=PROTOCOL_NAMES,
            printed_tables=PRINTED_TABLES,
            caution=SYNTHETIC if facts.synthetic else "",
            few=FEW_GROUPS,
            diagrams=gallery.diagram_data(results) | {"parts": [_part(results, part) for part in facts.parts]},
            **_comparison(results, figures, {m: words["title"] for m, words in described.items()}, params, data),
            legend=[*LEGEND, *RULE],
            claims=[_claim(claims, claim) for claim in claims["claims"] if claim not in absent],
            not_run=[claim["claim"] for claim in absent],
            claims_reading=text.reading(claims),
            tables={_table_title(name, by_protocol): by_protocol for name, by_protocol in printed.items()},
            gallery=gallery.sections(facts, figures),
            command=command,
            published=published,
            made=made,
            data=_columns(data),
            methods=_columns(list(_methods(facts, fitted or {}, described))),
            params=yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True),
        )
    )
    write_text(out, html + "\n")


def _environment(ideas: Mapping[str, str]) -> Environment:
    """Return the templates; all content is escaped, and an undefined name is an error.

    Args:
        ideas: method -> a sentence on it, shown as the tooltip of its name.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["ideas"] = defaultdict(str, ideas)
    filters = {"small": _small, "estimate": _estimate, "change": _change, "ends": _ends, "breakable": _breakable}
    environment.filters |= filters
    return environment


def _small(cell: str) -> Markup:
    """A cell of a table; what follows the number, its spread and interval, is set small."""
    number, *rest = re.split(r"(?= [±\[])", cell, maxsplit=1)
    return escape(number) + (Markup("<small>{}</small>").format(rest[0]) if rest else "")


def _breakable(name: str) -> Markup:
    """A name that may go on in the next line after each of its words."""
    return Markup("<wbr>").join(re.split(r"(?<=[_-])", name))


def _estimate(effect: Estimate | None, metric: str) -> Markup:
    """A metric as it is printed everywhere, with its interval."""
    return _small(METRICS[metric].text(effect.value, low=effect.low, high=effect.high) if effect else UNDEFINED)


def _change(effect: Estimate | None, metric: str) -> Markup:
    """A difference to the baseline, marked where it is significant, with the interval of its resamples."""
    if effect is None:
        return Markup(UNDEFINED)
    (low, high), mark = effect.interval(), SIGNS.get(effect.direction, "")
    return _small(Difference.of(METRICS[metric]).text(effect.value, low=low, high=high, mark=mark))


def _ends(effect: Estimate) -> tuple[float, float]:
    """The ends of the interval, or the value where there is none."""
    return (effect.value, effect.value) if math.isnan(effect.low) else (effect.low, effect.high)


def _title(facts: Facts) -> str:
    """Return what was compared: the experiment, its methods and the test sets in distribution."""
    number, sets = len(facts.methods), " and ".join(facts.parts_of(["id"]) or facts.parts)
    compared = f"{number} methods compared" if number > 1 else f"calibration of {next(iter(facts.methods))}"
    return f"{facts.experiment}: {compared} on {sets}"


def _about(facts: Facts, task: str, params: Mapping[str, Any]) -> list[str]:
    """Return the methods, the task, the network and the test sets, as far as they are recorded."""
    model = params.get("model", {})
    outside = [f"{ROLES[role]}: {', '.join(facts.parts_of([role]))}" for role in OTHER_ROLES if facts.parts_of([role])]
    texts = [", ".join(facts.methods), task, model.get("config") or model.get("factory") or "", *outside]
    return [words for words in texts if words]


def _setting(facts: Facts, params: Mapping[str, Any], data: Sequence[Mapping[str, Any]]) -> str:
    """Return resolution, training images and epochs, as far as they are recorded."""
    size = params.get("image_size")
    images = next((row["images"] for row in data if row["part"] == "train" and "images" in row), None)
    texts = [
        f"{size} px" if size else "",
        f"{images:,} training images" if images else "",
        f"{facts.epochs} epoch{'s' * (facts.epochs != 1)}",
    ]
    return ", ".join(filter(None, texts))


def _part(results: Results, part: str) -> dict[str, str]:
    role, run = results.facts.parts[part], next(iter(results.measured("raw", part).values()))
    size = f"{run.images:,} images, {run.pixels:,} pixels"
    return {"name": part, "meaning": ROLES[role], "size": size, "note": results.note(part)}


def _comparison(
    results: Results,
    figures: Path,
    titles: Mapping[str, str],
    params: Mapping[str, Any],
    data: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the comparison of the methods, the recommendation, and the diagrams that the page opens with."""
    facts = results.facts
    compared = {
        protocol: (
            ProtocolComparison.of(results, protocol, ["id"]),
            [sets for role in OTHER_ROLES if (sets := ProtocolComparison.of(results, protocol, [role])).parts],
        )
        for protocol in facts.protocols
    }
    inside, elsewhere = compared["raw"]
    choice = recommend(inside).method
    shown = {facts.baseline, choice if choice != facts.baseline else next(iter(inside.methods), None)}
    first_methods = [method for method in facts.methods if method in shown] or list(facts.methods)[:1]
    first_set = next(iter(inside.parts or facts.parts))
    setting = _setting(facts, params, data)
    return {
        "use": {protocol: sentences(*sets, setting, titles) for protocol, sets in compared.items()},
        "overview": {protocol: overview(*sets) for protocol, sets in compared.items()},
        "inside": inside,
        "elsewhere": [ROLES[facts.parts[sets.parts[0]]] for sets in elsewhere],
        "first_methods": first_methods,
        "first_set": first_set,
        "first_diagrams": gallery.still_diagrams(facts, figures, first_methods, first_set, "raw"),
    }


def _table_title(name: str, tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table's name and the start of its caption."""
    names = "|".join(PROTOCOL_NAMES.values())
    shows = re.split(rf", (?:{names})|\.", next(iter(tables.values()))["caption"])[0]
    return shows if name == "main" else f"{name} {shows}"


def _claim(claims: Mapping[str, Any], claim: Mapping[str, Any]) -> dict[str, Any]:
    """Return a claim as the page shows it."""

    def shown(finding: Mapping[str, Any]) -> dict[str, str]:
        css = re.sub(r"\W+", "-", finding["verdict"])
        return {"verdict": text.verdict(claims, finding), "css": css, "why": finding["why"]}

    by_protocol = {}
    for protocol, finding in claim["protocols"].items():
        secondary = [{"what": item["what"], **shown(item)} for item in finding["secondary"]]
        by_protocol[protocol] = {**shown(finding), "evidence": text.evidence(claim, protocol), "secondary": secondary}
    return {"name": claim["claim"], "text": claim["text"], "rule": claim["rule"], "protocols": by_protocol}


def _methods(
    facts: Facts, fitted: Mapping[tuple[str, int], Mapping[str, float]], described: Mapping[str, Mapping[str, str]]
) -> Iterator[dict[str, str]]:
    """A row per method: its code, what it does, its parameters, and what was fitted, by seed where there are
    several."""
    for name, method in facts.methods.items():
        row = {"method": name, "code": method.code or "a file of the user's"}
        row |= {"idea": described[name]["idea"]} if name in described else {}
        row["parameters"] = _named(method.parameters)
        fits = {seed: _named(fitted[name, seed]) for seed in facts.seeds_of(name) if fitted.get((name, seed))}
        if fits:
            row["fitted"] = "; ".join(f"seed {seed}: {text}" if len(fits) > 1 else text for seed, text in fits.items())
        yield row


def _named(values: Mapping[str, Any]) -> str:
    shown = {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in values.items()}
    return ", ".join(f"{name}: {value}" for name, value in shown.items())


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return {"columns": columns, "rows": [[row.get(column, "") for column in columns] for row in rows]}
