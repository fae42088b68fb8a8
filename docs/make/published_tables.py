"""Tables of published results in README.md and docs/, between two comments that say which:

    <!-- published: mini_seeds raw ece oe accuracy -->

    <!-- end of published -->

A row per method and a column per test set; a cell has the mean of each metric over seeds, the first
with its standard deviation and its interval, and ° where it is below its noise floor. With `claims`
after the experiment instead, a row per claim: its verdicts, and what decides. A table of an
experiment that is not published stays as it is. With `differences`, a protocol, metrics, and pairs
of published methods, of one experiment or two, a row per pair and metric:

    <!-- published: differences raw ece,brier small:aslp_cl/small:slp other:aslp_cl/small:aslp_cl
    -->
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from pipeline_src.analysis.facts import PROTOCOL_NAMES
from pipeline_src.errors import UserError
from pipeline_src.metrics.registry import METRICS
from pipeline_src.tables.differences import QUANTITIES
from pipeline_src.text_tables import UNDEFINED

NOT_RUN = "not run"  # the verdict on a claim whose methods an experiment lacks
METRIC_TABLE, CLAIMS, VERDICTS = "PROTOCOL METRIC ...", "claims", "verdicts PROTOCOL EXPERIMENT ..."
DIFFERENCES = "differences PROTOCOL METRIC,METRIC EXPERIMENT:METHOD/EXPERIMENT:METHOD ..."


def markdown_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a GitHub Markdown table of cells that are not escaped."""
    return "\n".join(
        f"| {' | '.join(cells)} |" for cells in [columns, ["---"] * len(columns), *rows]
    )


def text(words: Sequence[str], folder: Path) -> str | None:
    """What is published in `folder`, by the words of a comment; None for an experiment that is not
    published.

    Raises:
        UserError: the words do not say what is known, or a file is not what was published.
    """
    try:
        return _text(words, folder)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        place = folder / words[0]
        raise UserError(
            f"{place}: metrics.json, claims.json or differences.json is not what was published",
            found=f"{type(error).__name__}: {error}",
            expected="the files that `dense-calibration publish` wrote",
            fix=f"git checkout -- {place}",
        ) from None


def _text(words: Sequence[str], folder: Path) -> str | None:
    experiment, *words = words

    def read(name: str, experiment: str = experiment) -> Any:
        return json.loads((folder / experiment / name).read_text(encoding="utf-8"))

    if experiment == "differences":
        return differences(read("differences.json", "overview"), words)
    if not (folder / experiment / "metrics.json").is_file():
        return None
    if words == ["claims"]:
        return claims(read("claims.json")["claims"])
    if words[:1] == ["verdicts"] and len(words) > 1:
        return verdicts(
            {name: read("claims.json", name)["claims"] for name in [experiment, *words[2:]]},
            words[1],
        )
    return table(read("metrics.json"), words)


def table(published: Mapping[str, Any], words: Sequence[str]) -> str:
    """Methods by test sets as Markdown, of what a published metrics.json holds.

    Args:
        words: a protocol and metrics.
    """
    protocol, metrics = (words[0], words[1:]) if words else ("", [])
    if protocol not in published["metrics"] or not metrics or set(metrics) - set(METRICS):
        _refuse(
            words,
            METRIC_TABLE,
            published["metrics"],
            "metrics by their names in docs/reference/metrics.md",
        )
    roles = {
        part: about["role"] for part, about in published["sets"].items() if about["role"] != "val"
    }
    heads = [part + " (OOD)" * (role == "ood") for part, role in roles.items()]
    rows = [
        [method, *(_cell(by_part.get(part, {}), metrics) for part in roles)]
        for method, by_part in published["metrics"][protocol].items()
    ]
    return markdown_rows([PROTOCOL_NAMES[protocol], *heads], rows)


def differences(published: Mapping[str, Any], words: Sequence[str]) -> str:
    """Pairs of published methods by test sets as Markdown, a row per metric, of what
    differences.json holds.

    Args:
        words: a protocol, metrics of `QUANTITIES` separated by commas, and pairs.
    """
    protocol, metrics, *pairs = *words, *[""] * (2 - len(words))
    columns = [QUANTITIES[metric].column for metric in metrics.split(",") if metric in QUANTITIES]
    known = [pair for pair in pairs if protocol in published.get(pair, {}).get("differences", {})]
    if not pairs or not columns or known != pairs:
        _refuse(
            ["differences", *words],
            DIFFERENCES,
            ("raw", "stretched"),
            "pairs of methods in results/published",
        )
    cells = {
        pair: published[pair]["differences"][protocol] for pair in pairs
    }  # pair -> data set -> metric -> text
    sets = list(dict.fromkeys(part for by_part in cells.values() for part in by_part))
    rows = [
        [
            f"{_pair_in_words(pair)}: {column}",
            *(by_part.get(part, {}).get(column, UNDEFINED) for part in sets),
        ]
        for pair, by_part in cells.items()
        for column in columns
    ]
    return markdown_rows([PROTOCOL_NAMES[protocol], *sets], rows)


def _pair_in_words(pair: str) -> str:
    return " − ".join(side.partition(":")[2] for side in pair.split("/"))


def _refuse(words: Sequence[str], expected: str, protocols: Iterable[str], more: str) -> NoReturn:
    others = " or ".join(
        f"`{form}`" for form in (METRIC_TABLE, DIFFERENCES, CLAIMS, VERDICTS) if form != expected
    )
    raise UserError(
        "a table of published results that nothing is known of",
        found=" ".join(words) or "the name of an experiment alone",
        expected=f"{expected}, the protocol one of {', '.join(protocols)}, {more}; or {others}",
    )


def claims(judged: Sequence[Mapping[str, Any]]) -> str:
    """Claims with their verdicts as Markdown, of what a published claims.json holds."""
    rows = []
    for claim in judged:
        named = [claim["claim"], claim["text"]]
        for protocol, finding in claim["protocols"].items():
            rows.append(
                [
                    *named,
                    f"{PROTOCOL_NAMES.get(protocol, protocol)}: {finding['verdict']}",
                    finding["why"],
                ]
            )
            named = ["", ""]
    return markdown_rows(["", "claim", "verdict", "what decides"], rows)


def verdicts(judged: Mapping[str, Sequence[Mapping[str, Any]]], protocol: str) -> str:
    """Verdicts by experiment as Markdown, C2 before C10; – where the claim was not judged, or not in this protocol."""
    texts = {claim["claim"]: claim["text"] for claims in judged.values() for claim in claims}
    rows = []
    for name in sorted(texts, key=_by_number):
        row = [name, texts[name]]
        for claims in judged.values():
            findings: Mapping[str, Any] = next(
                (claim["protocols"] for claim in claims if claim["claim"] == name), {}
            )
            finding = findings.get(protocol) or findings.get("any", {})
            row.append(finding.get("verdict", NOT_RUN).replace(NOT_RUN, UNDEFINED))
        rows.append(row)
    return markdown_rows([PROTOCOL_NAMES[protocol], "claim", *judged], rows)


def _by_number(name: str) -> list[str | int]:
    """A key of order by which numbers in names count as such."""
    return [int(word) if word.isdigit() else word for word in re.split(r"([0-9]+)", name)]


def _cell(values: Mapping[str, Mapping[str, float | None]], metrics: Sequence[str]) -> str:
    texts = []
    for number, name in enumerate(metrics):
        of = values.get(name, {})
        mean, *spread = (_or_nan(of.get(key)) for key in ("mean", "sd", "low", "high"))
        mark = "°" if mean < _or_nan(values.get(METRICS[name].floor, {}).get("mean")) else ""
        sd, low, high = [math.nan] * 3 if number else spread
        texts.append(METRICS[name].text(mean, sd, low, high, mark))
    return " / ".join(texts)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
