"""Claims as they are read: tables for Markdown and the report, made from what claims.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.claims.finding import NOT_RUN
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.files import write_json, write_text
from pipeline_src.text_tables import Group, Table, markdown_text
from pipeline_src.text_tables import markdown as markdown_table

INTERVAL = f"95 %, of {RESAMPLES} paired resamples of the images and the spread over seeds"
READING = (
    "A claim holds where every comparison agrees with it: the whole interval lies where the claim wants the effect. "
    "It does not hold where the interval of one comparison lies outside of that, with intervals so wide that those of "
    "all comparisons together hold in 95 % of cases. Otherwise it is not decided. Intervals: {interval}. With one seed "
    "they leave out the variance of training, and a verdict is on these networks only. A difference of ECE counts "
    "where its own interval and that of the squared calibration error, debiased over images, both say so; for OE its "
    "over-confident part (docs/metrics.md). Sets of fewer than {few} images, or groups of them, decide nothing. A "
    "claim is decided by the block named as the method, or else by the first of its kind; comparisons of other blocks "
    "are secondary and do not count."
)
SYNTHETIC = "All images are generated: these verdicts show that the pipeline works and settle no claim."


def write(claims: Mapping[str, Any], folder: Path) -> None:
    """claims.json and claims.md."""
    write_json(folder / "claims.json", claims)
    write_text(folder / "claims.md", markdown(claims))


def reading(claims: Mapping[str, Any]) -> list[str]:
    """What must be known before a verdict is read."""
    sentences = [SYNTHETIC] if claims["synthetic"] else []
    sentences.append(READING.format(interval=claims["interval"], few=FEW_GROUPS))
    sentences += claims.get("groups", [])
    if "compared" in claims:
        blocks, missing = (", ".join(claims[key]) for key in ("compared", "not_compared"))
        compared = f"Methods that claims compare, of those in this experiment: {blocks or 'none'}."
        sentences.append(f"{compared} Not in it: {missing}." if missing else compared)
    sentences += claims.get("learned", [])
    return [*sentences, *_left_out(claims)]


def _left_out(claims: Mapping[str, Any]) -> list[str]:
    names = ", ".join(claims.get("left_out", []))
    return [f"Not shown, since this experiment cannot judge them: {names}."] if names else []


def verdict(claims: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    """A verdict in words; it says so where it comes from generated images, and where one training run of each method
    cannot speak for the methods."""
    if finding["verdict"] == NOT_RUN:
        return NOT_RUN
    about = [" for these networks"] * (finding["seeds"] == 1) + [", on generated images"] * claims["synthetic"]
    return "".join([finding["verdict"], *about])


def not_run(claims: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The claims that were judged in no protocol."""
    return [claim for claim in claims["claims"] if is_not_run(claim)]


def is_not_run(claim: Mapping[str, Any]) -> bool:
    return all(finding["verdict"] == NOT_RUN for finding in claim["protocols"].values())


def protocols(claims: Mapping[str, Any]) -> list[str]:
    """The protocols in which claims were judged."""
    return [name for name in PROTOCOLS if any(name in claim["protocols"] for claim in claims["claims"])]


def verdicts(claims: Mapping[str, Any]) -> Table:
    """A row per claim, a verdict per protocol."""
    rows, judged_in = [], protocols(claims)
    for claim in claims["claims"]:
        findings = claim["protocols"]
        cells = [verdict(claims, findings.get(protocol) or findings["any"]) for protocol in judged_in]
        rows.append([f"{claim['claim']}: {claim['text']}", *cells])
    caption = f"The paper's claims {_where(claims)}, by protocol."
    return Table("tab:claims", caption, ["", *judged_in], [Group("", rows)])


def evidence(claim: Mapping[str, Any], protocol: str) -> Table:
    """The comparisons that decide a claim, grouped by data set."""
    items = claim["protocols"][protocol]["evidence"]
    groups: dict[str, list[list[str]]] = {}
    for item in items:
        sets = " and ".join(f"{name} ({images:,} images)" for name, images in item["sets"].items())
        says = ": ".join(filter(None, [item["says"], item.get("open_because")]))
        cells = [item["what"], item["printed"], item["wanted"], says]
        groups.setdefault(sets, []).append([*cells, item["printed_seeds"]])
    columns = ["", "effect [95 % interval]", "wanted", "says", "seed"]
    which = "" if protocol == "any" else f", {protocol} protocol"
    units = "; ".join(dict.fromkeys(unit for item in items for unit in item["unit"].split("; ") if unit))
    caption = f"Evidence on {claim['claim']}{which}{f', in {units}' if units else ''}."
    return Table(f"tab:{claim['claim']}-{protocol}", caption, columns, [Group(*item) for item in groups.items()])


def markdown(claims: Mapping[str, Any]) -> str:
    """claims.md."""
    if not claims["claims"]:
        why = _left_out(claims) or ["None is judged: the key `claims` of the experiment asks for none."]
        return f"# Claims {_where(claims)}\n\n{why[0]}\n"
    lines = [f"# Claims {_where(claims)}", *reading(claims), markdown_table(verdicts(claims)).strip()]
    for claim in claims["claims"]:
        lines += [f"## {claim['claim']}", claim["text"], f"*Rule:* {claim['rule']}"]
        for protocol, finding in claim["protocols"].items():
            name = "" if protocol == "any" else f" ({protocol})"
            lines.append(f"**{verdict(claims, finding)}**{name}. {markdown_text(finding['why'])}")
            if finding["evidence"]:
                lines.append(markdown_table(evidence(claim, protocol)).strip())
            if finding["secondary"]:
                lines.append("Secondary comparisons, which do not count:")
                items = (
                    f"- {markdown_text(item['what'])}: {verdict(claims, item)}. {markdown_text(item['why'])}"
                    for item in finding["secondary"]
                )
                lines.append("\n".join(items))
    return "\n\n".join(lines) + "\n"


def _where(claims: Mapping[str, Any]) -> str:
    return f"in the experiment {claims['experiment']}" if "experiment" in claims else "across experiments"
