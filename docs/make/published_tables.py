"""Tables of published results in README.md and docs/, between two comments that say which:

    <!-- published: mini_seeds raw ece oe accuracy -->

    <!-- end of published -->

A row per method and a column per test set; a cell has the mean of each metric over seeds, the first
with its standard deviation and its interval, and ° where it is below its noise floor. With `sorted`
before the protocol, the lowest mean of the first metric over in-distribution sets comes first. With
`claims` after the experiment instead, a row per claim: its verdicts, and what decides. A table
whose experiment is not published stays as it is. With `differences`, a protocol, metrics, and pairs
of published methods, of one experiment or two, a row per pair:

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
from pipeline_src.text_tables import UNDEFINED, markdown_rows

NOT_RUN = "not run"  # the verdict on a claim whose methods an experiment lacks
METRIC_TABLE = "[sorted] PROTOCOL METRIC ..."
SORTED = "sorted"
CLAIMS = "claims"
VERDICTS = "verdicts PROTOCOL EXPERIMENT ..."
DIFFERENCES = "differences PROTOCOL METRIC,METRIC EXPERIMENT:METHOD/EXPERIMENT:METHOD ..."


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a GitHub Markdown table of cells that are not escaped."""
    return "\n".join(markdown_rows([columns, ["---"] * len(columns), *rows]))


def text(words: Sequence[str], folder: Path) -> str | None:
    """What is published in `folder`, by the words of a comment; None without the experiment.

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

    def read(file: str) -> Any:
        return json.loads((folder / file).read_text(encoding="utf-8"))

    if experiment == "differences":
        return differences(read("overview/differences.json"), words)
    if not (folder / experiment / "metrics.json").is_file():
        return None
    if words == ["claims"]:
        return claims(read(f"{experiment}/claims.json")["claims"])
    if words[:1] == ["verdicts"] and len(words) > 1:
        _, protocol, *others = words
        names = [experiment, *others]
        judged = {name: read(f"{name}/claims.json")["claims"] for name in names}
        return verdicts(judged, protocol)
    return table(read(f"{experiment}/metrics.json"), words)


def table(published: Mapping[str, Any], words: Sequence[str]) -> str:
    """Methods by test sets as Markdown, of what a published metrics.json holds.

    Args:
        words: a protocol and metrics, after `SORTED` if methods are sorted by the first metric.
    """
    is_sorted = words[:1] == [SORTED]
    named = words[1:] if is_sorted else words
    protocol = named[0] if named else ""
    metrics = named[1:]
    if protocol not in published["metrics"] or not metrics or set(metrics) - set(METRICS):
        _refuse(
            words,
            METRIC_TABLE,
            published["metrics"],
            "metrics by their names in docs/reference/metrics.md",
        )
    columns = {}  # test set -> heading
    for split, about in published["sets"].items():
        if about["role"] != "val":
            columns[split] = f"{split} (OOD)" if about["role"] == "ood" else split
    rows = []
    methods = dict(published["metrics"][protocol])
    if is_sorted:
        inside = [split for split, about in published["sets"].items() if about["role"] == "id"]
        sums = {}
        for method, by_split in methods.items():
            means = [by_split.get(split, {}).get(metrics[0], {}).get("mean") for split in inside]
            sums[method] = math.inf if None in means else sum(means)
        methods = {method: methods[method] for method in sorted(methods, key=sums.__getitem__)}
    for method, by_split in methods.items():
        cells = [_cell(by_split.get(split, {}), metrics) for split in columns]
        rows.append([method, *cells])
    return table_of([PROTOCOL_NAMES[protocol], *columns.values()], rows)


def differences(published: Mapping[str, Any], words: Sequence[str]) -> str:
    """Pairs of published methods by test sets as Markdown, a row per pair.

    Args:
        published: the content of differences.json.
        words: a protocol, metrics of `QUANTITIES` separated by commas, and pairs.
    """
    protocol = words[0] if words else ""
    metrics = words[1] if len(words) > 1 else ""
    pairs = words[2:]
    columns = [QUANTITIES[metric].column for metric in metrics.split(",") if metric in QUANTITIES]
    known = [pair for pair in pairs if protocol in published.get(pair, {}).get("differences", {})]
    if not pairs or not columns or len(known) < len(pairs):
        _refuse(
            ["differences", *words],
            DIFFERENCES,
            ("raw", "stretched"),
            "pairs of methods in results/published",
        )
    cells = {}  # pair -> test set -> column -> text
    splits: dict[str, None] = {}
    for pair in pairs:
        cells[pair] = published[pair]["differences"][protocol]
        splits |= dict.fromkeys(cells[pair])
    rows = []
    for pair, by_split in cells.items():
        row = [" − ".join(side.partition(":")[2] for side in pair.split("/"))]
        for split in splits:
            texts = by_split.get(split, {})
            row.append(" / ".join(texts.get(column, UNDEFINED) for column in columns))
        rows.append(row)
    heading = f"{PROTOCOL_NAMES[protocol]}: {' / '.join(columns)}"
    return table_of([heading, *splits], rows)


def _refuse(words: Sequence[str], expected: str, protocols: Iterable[str], more: str) -> NoReturn:
    forms = [METRIC_TABLE, DIFFERENCES, CLAIMS, VERDICTS]
    forms.remove(expected)
    others = " or ".join(f"`{form}`" for form in forms)
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
            verdict = f"{PROTOCOL_NAMES.get(protocol, protocol)}: {finding['verdict']}"
            rows.append([*named, verdict, finding["why"]])
            named = ["", ""]
    return table_of(["", "claim", "verdict", "what decides"], rows)


def verdicts(judged: Mapping[str, Sequence[Mapping[str, Any]]], protocol: str) -> str:
    """Verdicts by experiment as Markdown, C2 before C10; – where a claim was not judged."""
    texts = {}
    verdict_of = {}  # claim, experiment -> verdict
    for experiment, claims in judged.items():
        for claim in claims:
            name = claim["claim"]
            texts[name] = claim["text"]
            findings = claim["protocols"]
            finding = findings.get(protocol) or findings.get("any", {})
            verdict_of[name, experiment] = finding.get("verdict", NOT_RUN)
    rows = []
    for name in sorted(texts, key=_by_number):
        row = [name, texts[name]]
        for experiment in judged:
            verdict = verdict_of.get((name, experiment), NOT_RUN)
            row.append(verdict.replace(NOT_RUN, UNDEFINED))
        rows.append(row)
    return table_of([PROTOCOL_NAMES[protocol], "claim", *judged], rows)


def _by_number(name: str) -> list[str | int]:
    """A key of order by which numbers in names count as such."""
    return [int(word) if word.isdigit() else word for word in re.split(r"([0-9]+)", name)]


def _cell(values: Mapping[str, Mapping[str, float | None]], metrics: Sequence[str]) -> str:
    """The means of metrics as text, the first with its standard deviation and interval."""
    texts: list[str] = []
    for name in metrics:
        metric = METRICS[name]
        numbers = {key: _or_nan(value) for key, value in values.get(name, {}).items()}
        mean = numbers.pop("mean", math.nan)
        mark = "°" if mean < _or_nan(values.get(metric.floor, {}).get("mean")) else ""
        if texts:
            texts.append(metric.text(mean, mark=mark))
        else:
            sd = numbers.get("sd", math.nan)
            low = numbers.get("low", math.nan)
            high = numbers.get("high", math.nan)
            texts.append(metric.text(mean, sd, low, high, mark))
    return " / ".join(texts)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
