"""Calibration error and accuracy against the severity of corruptions."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline_src.analysis.facts import PROTOCOL_NAMES, Facts
from pipeline_src.figures import style
from pipeline_src.figures.panels import draw_lines
from pipeline_src.figures.types import FigureType, Painted, Picture, Results, Sources

METRICS = ("ece", "accuracy")


def pictures(facts: Facts) -> Iterator[Picture]:
    """Yield one figure per corrupted set and protocol."""
    for line in dict.fromkeys(corruption.line for corruption in facts.corrupted.values()):
        names = {corruption.name for corruption in facts.corrupted.values() if corruption.line == line}
        for protocol in facts.protocols:
            caption = f"ECE and accuracy on {line} by corruption and severity, {PROTOCOL_NAMES[protocol]}."
            title, wide = f"{line}: calibration and accuracy by severity", style.is_wide(2 * len(names))
            yield Picture(FIGURE, (protocol, line), title, caption, protocol, wide=wide)


def paint(picture: Picture, results: Results, sources: Sources) -> Painted:
    """All methods; severity 0 is the test set of the same images without corruption."""
    import pandas as pd

    facts, protocol, line = results.facts, picture.protocol, picture.key[1]
    corrupted = {part: corruption for part, corruption in facts.corrupted.items() if corruption.line == line}
    clean = next(iter(corrupted.values())).clean
    shown = [(clean, name, 0) for name in dict.fromkeys(corruption.name for corruption in corrupted.values()) if clean]
    shown += [(part, corruption.name, corruption.severity) for part, corruption in corrupted.items()]
    rows = []
    for method in facts.methods:
        for part, name, severity in shown:
            for metric in METRICS:
                number = results.estimate(metric, protocol, method, part)
                row = {"method": method, "part": part, "corruption": name, "severity": severity, "metric": metric}
                rows.append(row | {"value": number.value, "low": number.low, "high": number.high})
    table = pd.DataFrame(rows)
    lines = [f"{PROTOCOL_NAMES[protocol]} · {style.error_bars(facts)} · severity 0: {clean or 'none'}"]
    looks = style.method_looks(facts.methods)
    figure = draw_lines(table, looks, ("corruption", "method", "severity"), "Severity", 0.45, picture.title, lines)
    return Painted(figure, {"": table})


FIGURE = FigureType(
    "severity",
    "Corruptions by severity",
    "ECE and accuracy over severity, 0 to 5. A method whose ECE stays low while its accuracy falls recognizes what it "
    "can no longer segment.",
    pictures,
    paint,
)
