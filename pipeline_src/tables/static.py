"""T3: static label perturbation over alpha and beta."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_src.analysis.results import LIKE_ID
from pipeline_src.metrics.formats import ALL_METRICS
from pipeline_src.tables.captions import SYNTHETIC, not_run
from pipeline_src.tables.measured import Measured
from pipeline_src.tables.sheet import Sheet, frame

METRICS = ("ece", "oe", "accuracy")
FEWEST = 4  # methods that make a grid


@dataclass(frozen=True)
class Static:
    """A static method's place in the grid; `variant` tells apart what shares a place."""

    method: str
    alpha: float
    beta: float
    variant: str = ""

    @classmethod
    def of(cls, method: str, block: Mapping[str, Any]) -> Static | None:
        """None for a method that is not static. Label smoothing perturbs every label (alpha = 1), by beta = eps / 2."""
        if block["code"] == "label_smoothing":
            return cls(method, 1.0, block["eps"] / 2, "label smoothing")
        if block["code"] != "slp":
            return None
        noise, form = block.get("noise", 0), block.get("form", "drawn")
        variant = [f"noise {noise:g}"] * bool(noise) + [form] * (form != "drawn")
        return cls(method, block["alpha"], block["beta"], ", ".join(variant))

    @property
    def s(self) -> float:
        return 2 * self.alpha * self.beta

    @property
    def row(self) -> str:
        return f"α = {self.alpha:.3g}" + f", {self.variant}" * bool(self.variant)

    @property
    def column(self) -> str:
        return f"β = {self.beta:.3g}"


def grid(measured: Measured, blocks: Mapping[str, Mapping[str, Any]], about: str) -> Sheet:
    """ECE, OE and accuracy in distribution; rows alpha, columns beta, and above them s.

    Args:
        blocks: method -> `code`, the name of its file, and its parameters.
    """
    results = measured.results
    static = [found for name in results.methods if name in blocks and (found := Static.of(name, blocks[name]))]
    static.sort(key=lambda one: (one.alpha, one.variant, one.beta))
    places: dict[tuple[str, str], list[Static]] = {}
    for one in static:
        places.setdefault((one.row, one.column), []).append(one)
    rows = {
        one.method: one.row if k == 0 else f"{one.row} ({results.label(one.method)})"
        for there in places.values()
        for k, one in enumerate(there)
    }
    by_name, numbers = {one.method: one for one in static}, []

    def add(cell: dict, group: str) -> None:
        one = by_name[cell["method"]]
        place = {"row": rows[one.method], "column": one.column, "group": group}
        numbers.append(cell | place | {"alpha": one.alpha, "beta": one.beta, "s": one.s})

    for protocol in results.protocols if static else ():
        for one in static:
            add({"protocol": protocol, "method": one.method, "metric": "s", "mean": one.s}, "s = 2 α β")
        for part in measured.parts(LIKE_ID):
            for metric in METRICS:
                for cell in measured.cells(protocol, part, metric, list(by_name)):
                    add(cell, f"{part}: {ALL_METRICS[metric].heading}")
    change = "add the sweep “static” to “methods:” of the experiment"
    lacking = not_run(results.experiment, "a grid over α and β", change)
    columns = [one.column for one in sorted(static, key=lambda one: one.beta)]
    return Sheet(
        "T3",
        "Static label perturbation over α and β, in distribution",
        frame(numbers),
        f"{about} s is the share of the uniform label in the expected label.",
        [*([] if len(static) >= FEWEST else [lacking]), *([SYNTHETIC] if results.synthetic and static else [])],
        list(dict.fromkeys(columns)),
    )
