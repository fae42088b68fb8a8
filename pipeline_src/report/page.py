"""One page that shows an experiment: words, diagrams, claims, tables, figures, how it was made. It needs no network."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline_src.analysis.estimate import Estimate
from pipeline_src.analysis.facts import MEANING, ROLES, Facts
from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.results import Results
from pipeline_src.claims import text
from pipeline_src.files import write_text
from pipeline_src.metrics.registry import METRICS
from pipeline_src.report import lowest, sentences
from pipeline_src.report.comparison import ProtocolComparison
from pipeline_src.report.diagrams import diagrams
from pipeline_src.report.gallery import Gallery
from pipeline_src.report.recommendation import glance, recommendation, use_in_short
from pipeline_src.tables.captions import seeds_in_words
from pipeline_src.text_tables import UNDEFINED, Table

HERE = Path(__file__).parent
SCRIPTS = ("vendor/d3.min.js", "vendor/plot.min.js", "page.js", "diagram.js")
PRINTED_TABLES = 6  # the first, up to T6: all of them fill a book; others are printed where the reader opened them


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
        figures: folder that `figures.write.write_figures` wrote.
        out: the HTML file.
        claims: what claims.json holds; left out where none was judged.
        params: the resolved experiment; printed as YAML.
        made: versions, commit, hardware and the like, name -> text; what is not known is left out.
        data: a row per data set (manifest and store summaries), name of the column -> value.
        described: what methods are, method -> its `title` and its `idea` in a sentence.
        task: what the training images show, in words; empty if it is not known.
        command: what makes all of it again.
        fitted: (method, seed) -> what was fitted in the place of training, name -> value.
        judged: models judged from saved maps, protocol -> their table.
        published: whether all is made from the published statistics, without networks.

    Raises:
        UserError: a result or a figure is missing.
    """
    facts, pictures = results.facts, Gallery(results.facts, figures)
    printed = json.loads((tables / "printed.json").read_text(encoding="utf-8"))
    if judged:
        printed["T8"] = {protocol: asdict(table) for protocol, table in judged.items()}
    absent = text.not_run(claims)
    html = (
        _environment({method: of["idea"] for method, of in described.items()})
        .get_template("report.html.j2")
        .render(
            css=Markup((HERE / "report.css").read_text(encoding="utf-8")),
            scripts=[Markup((HERE / name).read_text(encoding="utf-8")) for name in SCRIPTS],
            experiment=facts.experiment,
            about=[*_trained_on(task, params, data), *_about(facts)],
            protocols=facts.protocols,
            several=facts.classes > 2,
            few=FEW_GROUPS,
            few_units=sentences.few_units(results, facts.parts),
            meaning=MEANING,
            printed_tables=PRINTED_TABLES,
            several_seeds=len(facts.seeds) > 1,
            caution=sentences.caution(results),
            diagrams=diagrams(results) | {"parts": [_part(results, part) for part in facts.parts]},
            **_comparison(results, pictures, _titles(facts, described)),
            cards=[_card(results, part) for part in facts.parts],
            reading=sentences.reading(facts),
            claims=[_claim(claims, claim) for claim in claims["claims"] if claim not in absent],
            not_run=[_claim(claims, claim) for claim in absent],
            claims_reading=text.reading(claims),
            tables={_title(name, by_protocol): by_protocol for name, by_protocol in printed.items()},
            part_of=_parts_by_heading(facts, (table for tables in printed.values() for table in tables.values())),
            gallery=pictures.sections(),
            glyphs=pictures.glyphs(),  # after all figures
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
    """Everything that is put into the page is escaped; what is undefined is an error, not a gap.

    Args:
        ideas: method -> what it is, which is shown where its name is pointed at.
    """
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.globals["ideas"] = defaultdict(str, ideas)
    made.filters |= {"small": _small, "estimate": _estimate, "ends": _ends, "breakable": _breakable}
    return made


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


def _ends(effect: Estimate) -> tuple[float, float]:
    """The ends of the interval, or the value where there is none."""
    return (effect.value, effect.value) if math.isnan(effect.low) else (effect.low, effect.high)


def _trained_on(task: str, params: Mapping[str, Any], data: Sequence[Mapping[str, Any]]) -> list[str]:
    """The task, the network and the training images, as far as they are recorded."""
    model, size = params.get("model", {}), params.get("image_size")
    network = model.get("config") or model.get("factory") or ""
    images = next((row["images"] for row in data if row["part"] == "train"), None)
    setting = ", ".join(filter(None, (network, f"{size} px" if size else "")))
    of = params.get("data", {}).get("train", {}).get("set")
    trained = [f"{images:,} training images of {of}"] if images and of else []
    return [*filter(None, (task, setting)), *trained]


def _about(facts: Facts) -> list[str]:
    methods, parts = len(facts.methods), len(facts.tests)
    return [
        f"{methods} method{'s' * (methods > 1)}",
        f"{parts} test set{'s' * (parts > 1)}",
        f"{facts.epochs} epochs",
        seeds_in_words(facts),
    ]


def _part(results: Results, part: str) -> dict[str, str]:
    role, one = results.facts.parts[part], next(iter(results.measured("raw", part).values()))
    size = f"{one.images:,} images, {one.pixels:,} pixels"
    return {"name": part, "role": role, "meaning": ROLES[role], "size": size}


def _titles(facts: Facts, described: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Methods by the names that literature has for them, where these say more; with the networks that one is of, if
    these are not the baseline's."""
    titles = {}
    for method, of in described.items():
        if re.sub(r"\W|_", "", of["title"].lower()) != re.sub(r"\W|_", "", method.lower()):
            uses = facts.methods[method].uses
            titles[method] = of["title"] + f" of {uses}" * (uses not in (None, facts.baseline))
    return titles


def _comparison(results: Results, pictures: Gallery, titles: Mapping[str, str]) -> dict[str, Any]:
    """How the methods compare on the sets of each role, what follows from it, and the diagrams that are shown first."""
    compared = {
        protocol: [ProtocolComparison.of(results, protocol, (role,)) for role in ("id", "ood", "shifted")]
        for protocol in results.facts.protocols
    }
    inside, outside, shifted = compared["raw"]
    first_methods, first_set = _first_choice(inside)
    return {
        "recommended": {protocol: recommendation(*by_role, titles=titles) for protocol, by_role in compared.items()},
        "use": {protocol: use_in_short(inside, titles) for protocol, (inside, *_) in compared.items()},
        "glance": {protocol: glance(*by_role) for protocol, by_role in compared.items()},
        "inside": inside,
        "outside": outside,
        "shifted": shifted,
        "first_methods": first_methods,
        "first_set": first_set,
        "first_diagrams": pictures.diagrams(first_methods, first_set, "raw"),
    }


def _first_choice(inside: ProtocolComparison) -> tuple[list[str], str]:
    """Methods and data set that the diagrams show at first: the baseline and the recommended or else the best
    calibrated other method, on the first set in distribution."""
    facts = inside.facts
    first = {facts.baseline, inside.recommended or next(iter(inside.others), None)}
    return [m for m in facts.methods if m in first] or list(facts.methods)[:1], next(iter(inside.parts or facts.parts))


def _card(results: Results, part: str) -> dict[str, Any]:
    texts = {protocol: lowest.on_set(results, protocol, part) for protocol in results.facts.protocols}
    return {**_part(results, part), "note": results.note(part), "texts": texts}


def _title(name: str, tables: Mapping[str, Mapping[str, Any]]) -> str:
    """A table's name, and what it shows: the start of its caption."""
    shows = re.split(r", \w+ protocol|\.", next(iter(tables.values()))["caption"])[0]
    return shows if name == "main" else f"{name} {shows}"


def _parts_by_heading(facts: Facts, tables: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The data set of each group of rows whose heading begins with its name, or has it after a condition."""
    headings = {group["heading"] for table in tables for group in table["groups"]}
    by_name = sorted(facts.parts, key=len)
    return {h: part for part in by_name for h in headings if h.startswith(f"{part}: ") or f", {part}: " in h}


def _claim(claims: Mapping[str, Any], claim: Mapping[str, Any]) -> dict[str, Any]:
    """A claim as it is shown; its verdicts say so where they come from generated images."""

    def shown(facts: Mapping[str, Any]) -> dict[str, str]:
        return {"verdict": text.verdict(claims, facts), "css": facts["verdict"].replace(" ", "-"), "why": facts["why"]}

    by_protocol = {}
    for protocol, facts in claim["protocols"].items():
        secondary = [{"what": item["what"], **shown(item)} for item in facts["secondary"]]
        by_protocol[protocol] = {**shown(facts), "evidence": text.evidence(claim, protocol), "secondary": secondary}
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
    return ", ".join(f"{name} {_in_words(value)}" for name, value in values.items())


def _in_words(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, (list, tuple)):
        return " and ".join(map(_in_words, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list]:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return {"columns": columns, "rows": [[row.get(column, "") for column in columns] for row in rows]}
