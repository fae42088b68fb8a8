"""Claims as they are read: tables for Markdown and the report, made from what claims.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_src.claims.evidence import NOT_RUN
from pipeline_src.counting.statistic import PROTOCOLS
from pipeline_src.text_tables import Group, Table, markdown_text
from pipeline_src.text_tables import markdown as of_table

READING = (
    "A claim holds where every comparison agrees with it: the whole interval lies where the claim wants the effect. "
    "It does not hold where the interval of one comparison lies outside of that. Otherwise it is not decided. "
    "Intervals: {interval}; effects are averaged over seeds, and the variance of training is not in the intervals. "
    "They are not corrected for the number of comparisons, which makes “holds” harder to reach, and a “does not hold” "
    "that rests on one comparison of many easier. A claim is decided by the block named as the method, or else by the "
    "first of its kind; other blocks are judged beside it, without a say."
)
SYNTHETIC = (
    "All images of this experiment are generated: its verdicts show that the pipeline works and settle no claim."
)


def reading(found: Mapping[str, Any]) -> list[str]:
    """What must be known before a verdict is read."""
    compared = f"The paper's comparison in this experiment: {', '.join(found['compared']) or 'none of its methods'}."
    if found["not_compared"]:
        compared += f" Not in this experiment: {', '.join(found['not_compared'])}."
    return [*([SYNTHETIC] if found["synthetic"] else []), READING.format(interval=found["interval"]), compared]


def verdict(found: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """A verdict in words; it says so where it comes from generated images."""
    generated = found["synthetic"] and facts["verdict"] != NOT_RUN
    return f"{facts['verdict']}, on generated images" if generated else facts["verdict"]


def protocols(found: Mapping[str, Any]) -> list[str]:
    """The protocols in which claims were judged."""
    return [name for name in PROTOCOLS if any(name in claim["protocols"] for claim in found["claims"])]


def verdicts(found: Mapping[str, Any]) -> Table:
    """A row per claim, a verdict per protocol."""
    rows, judged_in = [], protocols(found)
    for claim in found["claims"]:
        facts = claim["protocols"]
        cells = [verdict(found, facts.get(protocol) or facts["any"]) for protocol in judged_in]
        rows.append([f"{claim['claim']}: {claim['text']}", *cells])
    caption = f"The paper's claims in the experiment {found['experiment']}, by protocol."
    return Table("tab:claims", caption, ["", *judged_in], [Group("", rows)])


def evidence(claim: Mapping[str, Any], protocol: str) -> Table:
    """The comparisons that decide a claim, grouped by data set."""
    items = claim["protocols"][protocol]["evidence"]
    groups: dict[str, list] = {}
    for item in items:
        sets = " and ".join(f"{name} ({images:,} images)" for name, images in item["sets"].items())
        cells = [item["what"], item["printed"], item["wanted"], item["says"]]
        groups.setdefault(sets, []).append([*cells, item["printed_seeds"]])
    columns = ["", "effect [95 % interval]", "wanted", "says", "seed"]
    which = "" if protocol == "any" else f", {protocol} protocol"
    units = ", ".join(dict.fromkeys(item["unit"] for item in items))
    caption = f"Evidence on {claim['claim']}{which}, in {units}."
    return Table(f"tab:{claim['claim']}-{protocol}", caption, columns, [Group(*item) for item in groups.items()])


def markdown(found: Mapping[str, Any]) -> str:
    """claims.md."""
    lines = [f"# Claims: {found['experiment']}", *reading(found), of_table(verdicts(found)).strip()]
    for claim in found["claims"]:
        lines += [f"## {claim['claim']}", claim["text"], f"*Checked so:* {claim['rule']}"]
        for protocol, facts in claim["protocols"].items():
            name = "" if protocol == "any" else f" ({protocol})"
            lines.append(f"**{verdict(found, facts)}**{name}. {markdown_text(facts['why'])}")
            if facts["evidence"]:
                lines.append(of_table(evidence(claim, protocol)).strip())
            if facts["beside"]:
                lines.append("Beside it, without a say:")
                items = (
                    f"- {markdown_text(item['what'])}: {verdict(found, item)}. {markdown_text(item['why'])}"
                    for item in facts["beside"]
                )
                lines.append("\n".join(items))
    return "\n\n".join(lines) + "\n"
