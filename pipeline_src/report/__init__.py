"""One page that shows an experiment: summary, tables, figures, and how it was made. It needs no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline_src.claims import text
from pipeline_src.errors import UserError, listed
from pipeline_src.figures.catalogue import Facts, pictures
from pipeline_src.files import write_text
from pipeline_src.report import summary
from pipeline_src.report.inline import inline_svg
from pipeline_src.tables.captions import seeds_in_words, size_in_words
from pipeline_src.tables.main import main_table
from pipeline_src.tables.results import ROLES, Numbers, Results, read

HERE = Path(__file__).parent
RELIABILITY = "{method} on {part}, {protocol} protocol, {size}; {bins} bins."
COMPARISON = "All methods on {part}, {protocol} protocol, {size}; {bins} bins."
ALPHA = "{method}: α of the training images over epochs, and its distribution after the last."


def write_report(
    results: Results,
    figures: Path,
    learned: Iterable[str],
    out: Path,
    params: Mapping[str, Any] | None = None,
    made: Mapping[str, str] | None = None,
    data: Sequence[Mapping[str, Any]] = (),
    command: str | None = None,
    claims: Mapping[str, Any] | None = None,
    paper: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write the page.

    Args:
        figures: folder that `figures.main.write_figures` wrote.
        learned: methods that learn alphas.
        out: the HTML file.
        params: the resolved experiment; printed as YAML.
        made: versions, commit, hardware and the like, name -> text; what is not known is left out.
        data: a row per data set (manifest and store summaries), name of the column -> value.
        command: what makes all of it again.
        claims: what claims.json holds; left out if there is none.
        paper: what tables/paper.json holds; left out if there is none.

    Raises:
        UserError: a statistic or a figure is missing.
    """
    numbers = read(results)
    listed_pictures = pictures(
        Facts(results.methods, results.parts, learned=list(learned), protocols=results.protocols)
    )
    names = {(p.kind, p.protocol, p.part, p.method): p.name for p in listed_pictures}
    missing = [f"{name}.svg" for name in names.values() if not (figures / f"{name}.svg").is_file()]
    if missing:
        raise UserError(f"figures are missing in {figures}{listed(missing)}", do="run `python -m pipeline_src figures`")

    serial = count(1)
    page = _environment().get_template("report.html.j2")
    html = page.render(
        css=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        experiment=results.experiment,
        facts=_facts(results),
        headlines={protocol: summary.headline(results, numbers, protocol) for protocol in results.protocols},
        caution=summary.caution(results),
        cards=[_card(results, numbers, part) for part in results.parts],
        accuracy={protocol: summary.accuracy_kept(results, numbers, protocol) for protocol in results.protocols},
        reading=summary.reading(results),
        claims=[_claim(claims, claim) for claim in claims["claims"]] if claims else [],
        claims_reading=text.reading(claims) if claims else [],
        paper=paper or {},
        tables={protocol: main_table(results, numbers, protocol) for protocol in results.protocols},
        pictures=[_pictures(results, numbers, part, names, figures, serial) for part in results.parts],
        alphas=[
            _picture(figures, names["alpha", "", "", method], serial, ALPHA.format(method=results.label(method)))
            for method in learned
        ],
        command=command,
        made=made or {},
        data=_data(data),
        params=yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True) if params else "",
    )
    write_text(out, html + "\n")


def _environment() -> Environment:
    """Everything that is put into the page is escaped; what is undefined is an error, not a gap."""
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _facts(results: Results) -> list[str]:
    methods, parts = len(results.methods), len(results.parts)
    return [
        f"{methods} method{'s' * (methods > 1)}",
        f"{parts} data set{'s' * (parts > 1)}",
        f"{results.epochs} epochs",
        seeds_in_words(results),
    ]


def _card(results: Results, numbers: Numbers, part: str) -> dict[str, Any]:
    role = results.parts[part]
    return {
        "part": part,
        "role": role,
        "size": f"{ROLES[role]}, {size_in_words(numbers, part)}",
        "texts": {protocol: summary.lowest(results, numbers, protocol, part) for protocol in results.protocols},
    }


def _pictures(
    results: Results, numbers: Numbers, part: str, names: Mapping, figures: Path, serial: Iterator[int]
) -> dict[str, Any]:
    """The comparison and then each method's diagram, one protocol after the other."""
    role, by_protocol = results.parts[part], {}
    for protocol in results.protocols:
        about = {"bins": results.bins, "protocol": protocol, "part": part, "size": size_in_words(numbers, part)}
        name = names["comparison", protocol, part, ""]
        pictures = [_picture(figures, name, serial, COMPARISON.format(**about))]
        for method in results.methods:
            caption = RELIABILITY.format(**about, method=results.label(method))
            pictures.append(_picture(figures, names["reliability", protocol, part, method], serial, caption))
        by_protocol[protocol] = pictures
    return {"part": part, "role": role, "role_text": ROLES[role], "pictures": by_protocol}


def _picture(figures: Path, name: str, serial: Iterator[int], caption: str) -> dict[str, Any]:
    return {"svg": inline_svg(figures / f"{name}.svg", next(serial), caption), "caption": caption}


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
