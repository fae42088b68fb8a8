"""Claims as Markdown, and as tables of the report, from what claims.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_src.analysis.estimate import DECISIVE_SEEDS
from pipeline_src.analysis.intervals import FEW_GROUPS
from pipeline_src.analysis.resampling import RESAMPLES
from pipeline_src.claims.verdict import NOT_RUN
from pipeline_src.counting.levels import PROTOCOLS
from pipeline_src.files import write_json, write_text
from pipeline_src.text_tables import Group, Table, markdown_text
from pipeline_src.text_tables import markdown as markdown_table

INTERVAL = f"95 %, from {RESAMPLES} paired resamples of the images and the variance over training seeds"
READING = (
    "Supported: the 95 % confidence interval of every comparison lies where the claim wants the effect. Refuted: one "
    "interval lies outside, at a level at which all intervals of the claim hold together in 95 % of cases. Bounded: "
    "every other interval lies within ±0.5 points of ECE or accuracy, or ±0.002 of Brier score. Otherwise: "
    "inconclusive. Intervals: {interval}. With one seed they leave out training variance, and a verdict is on these "
    "networks. With fewer than {seeds} seeds a difference of ECE or OE is decided only if the interval of the squared "
    "error agrees. Sets of fewer than {few} images or groups decide nothing. The method entry of the claim's name "
    "decides, or else the first of its kind; comparisons of other entries are secondary."
)
COLUMNS = {  # key of a comparison in claims.json -> heading
    "what": "",
    "printed": "effect [95 % CI]",
    "printed_joint": "joint CI",
    "wanted": "wanted",
    "says": "says",
    "printed_seeds": "seed",
}
SYNTHETIC = "All images are synthetic: these verdicts test the pipeline and settle no claim."


def write(claims: Mapping[str, Any], folder: Path) -> None:
    """Write claims.json and claims.md."""
    write_json(folder / "claims.json", claims)
    write_text(folder / "claims.md", markdown(claims))


def reading(claims: Mapping[str, Any]) -> list[str]:
    """Sentences that explain the verdicts."""
    sentences = [SYNTHETIC] if claims["synthetic"] else []
    sentences.append(READING.format(interval=claims["interval"], few=FEW_GROUPS, seeds=DECISIVE_SEEDS))
    sentences += claims.get("groups", [])
    for key, title in (("compared", "Methods that claims compare"), ("not_compared", "Not in this experiment")):
        if key in claims:
            sentences.append(f"{title}: {', '.join(claims[key]) or 'none'}.")
    return [*sentences, *claims.get("learned", [])]


def verdict(claims: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    """A verdict, with what limits it: one training run of each method, or synthetic images."""
    if finding["verdict"] == NOT_RUN:
        return NOT_RUN
    limits = [" for these networks"] * (finding["seeds"] == 1) + [", on synthetic images"] * claims["synthetic"]
    return "".join([finding["verdict"], *limits])


def not_run(claims: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The claims that have a verdict in no protocol."""
    return [c for c in claims["claims"] if all(f["verdict"] == NOT_RUN for f in c["protocols"].values())]


def protocols(claims: Mapping[str, Any]) -> list[str]:
    """The protocols in which claims have verdicts."""
    return [name for name in PROTOCOLS if any(name in claim["protocols"] for claim in claims["claims"])]


def verdicts(claims: Mapping[str, Any]) -> Table:
    """A row per claim, a verdict per protocol."""
    rows, names = [], protocols(claims)
    for claim in claims["claims"]:
        findings = claim["protocols"]
        cells = [verdict(claims, findings.get(name) or findings["any"]) for name in names]
        rows.append([f"{claim['claim']}: {claim['text']}", *cells])
    caption = f"The paper's claims {_place(claims)}, by protocol."
    return Table("tab:claims", caption, ["", *names], [Group("", rows)])


def evidence(claim: Mapping[str, Any], protocol: str) -> Table:
    """The comparisons that decide a claim, grouped by data set."""
    items, groups = claim["protocols"][protocol]["evidence"], dict[str, list[list[str]]]()
    for item in items:
        sets = " and ".join(f"{name} ({images:,} images)" for name, images in item["sets"].items())
        groups.setdefault(sets, []).append([item[column] for column in COLUMNS])
    title = f"Evidence on {claim['claim']}" + f", {protocol} protocol" * (protocol != "any")
    units = "; ".join(dict.fromkeys(item["unit"] for item in items if item["unit"]))
    caption = title + f", in {units}" * bool(units) + "."
    return Table(
        f"tab:{claim['claim']}-{protocol}", caption, list(COLUMNS.values()), [Group(*item) for item in groups.items()]
    )


def markdown(claims: Mapping[str, Any]) -> str:
    """The text of claims.md."""
    if not claims["claims"]:
        return f"# Claims {_place(claims)}\n\nThe key `claims` of the experiment asks for none.\n"
    lines = [f"# Claims {_place(claims)}", *reading(claims), markdown_table(verdicts(claims)).strip()]
    for claim in claims["claims"]:
        lines += [f"## {claim['claim']}", claim["text"], f"*Rule:* {claim['rule']}"]
        for protocol, finding in claim["protocols"].items():
            name = "" if protocol == "any" else f" ({protocol})"
            lines.append(f"**{verdict(claims, finding)}**{name}. {markdown_text(finding['why'])}")
            lines += [markdown_table(evidence(claim, protocol)).strip()] if finding["evidence"] else []
            secondary = [
                f"- {markdown_text(item['what'])}: {verdict(claims, item)}. {markdown_text(item['why'])}"
                for item in finding["secondary"]
            ]
            lines += ["Secondary comparisons, which decide nothing:", "\n".join(secondary)] if secondary else []
    return "\n\n".join(lines) + "\n"


def _place(claims: Mapping[str, Any]) -> str:
    return f"in the experiment {claims['experiment']}" if "experiment" in claims else "across experiments"
