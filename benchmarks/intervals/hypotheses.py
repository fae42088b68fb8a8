"""The outcome of parts 16 and 17 of docs/preregistration.md, from published counts.

    python benchmarks/intervals/hypotheses.py

Writes benchmarks/intervals/hypotheses.txt in minutes of one core. It was written when only one seed
of part 16, and none of part 17, was evaluated. Hypotheses of experiments with fewer seeds than
decide have the numbers of seeds and no difference. That C8 is refuted, in (s), is a verdict of the
overview.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from power import ARMS, DUTS, LOWER, OTHER, results

from pipeline_src.analysis.estimate import Estimate, estimate, joint_level
from pipeline_src.analysis.intervals import LEVEL, Limits
from pipeline_src.analysis.results import Results
from pipeline_src.claims.verdict import Target
from pipeline_src.publishing import published

PAGE = Path(__file__).with_suffix(".txt")
RECIPE, CLOSED_LOOP = ARMS
BOTH = "temperature_averaged_aslp_groups_tenth"
HIGHER = (0.0, math.inf)
BOUNDED = (-0.005, 0.005)
NOT_LOWER = (-0.005, math.inf)
HELD_OUT = ("ECSSD", "DUTS-held-out")
LARGER = ("more_data", "larger")
SEEDS = {"recipe": 6, "more_data": 3, "larger": 3, "cod": 3}  # the fewest that decide


@dataclass(frozen=True)
class Comparison:
    """A difference of two methods, `first` - `second`, and the range in which its interval lies if
    the hypothesis is true.
    """

    experiment: str
    first: str
    second: str
    dataset: str
    metric: str
    inside: Limits


def family(
    experiments: Sequence[str], first: str, second: str, expected: Sequence[tuple[str, str, Limits]]
) -> list[Comparison]:
    """Return the comparisons of two methods in each experiment.

    Args:
        expected: dataset, metric and range of each difference.
    """
    comparisons = []
    for experiment in experiments:
        for dataset, metric, inside in expected:
            comparisons.append(Comparison(experiment, first, second, dataset, metric, inside))
    return comparisons


# Hypotheses that are judged together -> their comparisons; `power.ARMS` has most of part 16.
FAMILIES = {
    "(j) to (l)": family(["recipe"], RECIPE, OTHER, ARMS[RECIPE]),
    "(m)": family(["recipe"], CLOSED_LOOP, OTHER, ARMS[CLOSED_LOOP]),
    "(n)": [
        *family(["recipe"], BOTH, RECIPE, [(name, "brier", LOWER) for name in DUTS]),
        *family(["recipe"], BOTH, OTHER, [("DTD", "brier", LOWER)]),
    ],
    "(o)": family(LARGER, OTHER, "baseline", [(name, "ece", LOWER) for name in HELD_OUT]),
    "(p)": family(LARGER, "aslp_mc", OTHER, [("DUTS-held-out", "ece", HIGHER)]),
    "(q)": family(
        ["more_data"], "aslp_mc", OTHER, [(name, "brier", LOWER) for name in ("DTD", "Brodatz")]
    ),
    "(r)": family(
        LARGER,
        RECIPE,
        OTHER,
        [
            ("DUTS-held-out", "brier", LOWER),
            *[(name, "ece", BOUNDED) for name in HELD_OUT],
            *[(name, "accuracy", NOT_LOWER) for name in HELD_OUT],
        ],
    ),
    "(s)": family(
        ["cod"], OTHER, "baseline", [(name, "ece", LOWER) for name in ("CAMO", "COD10K-mini")]
    ),
}


def effects(
    comparisons: Sequence[Comparison], found: Mapping[str, Results]
) -> dict[Comparison, Estimate]:
    """Return the difference of each comparison whose methods were run on its dataset."""
    differences = {}
    for comparison in comparisons:
        if comparison.experiment not in found:
            continue
        measured = found[comparison.experiment].measured("raw", comparison.dataset)
        if comparison.first in measured and comparison.second in measured:
            terms = (measured[comparison.first], 1.0), (measured[comparison.second], -1.0)
            effect = estimate(comparison.metric, *terms)
            if effect:
                differences[comparison] = effect
    return differences


def outcome(comparisons: Sequence[Comparison], found: Mapping[str, Results]) -> list[str]:
    """Return the lines of hypotheses that are judged together: whether all hold, each by its 95 %
    interval and each at their joint level, and a line for each comparison.
    """
    differences = effects(comparisons, found)
    seeds: dict[str, int] = {}
    for comparison in comparisons:
        number = len(differences[comparison].by_seed) if comparison in differences else 0
        seeds[comparison.experiment] = min(number, seeds.get(comparison.experiment, number))
    if any(number < SEEDS[experiment] for experiment, number in seeds.items()):
        numbers = ", ".join(f"{name} {number} of {SEEDS[name]}" for name, number in seeds.items())
        return [f"not decided; seeds: {numbers}"]
    joint = joint_level(list(differences.values()))
    lines = []
    alone_all = joint_all = True
    for comparison, effect in differences.items():
        alone = holds(comparison, effect, LEVEL)
        together = holds(comparison, effect, joint)
        alone_all = alone_all and alone
        joint_all = joint_all and together
        low, high = effect.interval()
        joint_low, joint_high = effect.interval(joint)
        lines.append(
            f"  {comparison.experiment} {comparison.dataset} {comparison.metric}: "
            f"{comparison.first} - {comparison.second} {effect.value:+.5f} "
            f"[{low:+.5f}, {high:+.5f}], joint [{joint_low:+.5f}, {joint_high:+.5f}], "
            f"expected in {comparison.inside}: 95 % {answer(alone)}, joint {answer(together)}"
        )
    head = f"all hold: each at 95 % {answer(alone_all)}, jointly ({joint:.2%}) {answer(joint_all)}"
    return [head, *lines]


def holds(comparison: Comparison, effect: Estimate, level: float) -> bool:
    """Return whether the interval of a level lies in the range of the hypothesis."""
    return Target(*comparison.inside).contains(effect.interval(level))


def answer(value: bool) -> str:
    """Return "yes" or "no"."""
    return "yes" if value else "no"


def main() -> None:
    """Write the page."""
    methods: dict[str, set[str]] = {}
    for comparisons in FAMILIES.values():
        for comparison in comparisons:
            pair = {comparison.first, comparison.second}
            methods[comparison.experiment] = methods.get(comparison.experiment, set()) | pair
    lines = []
    with TemporaryDirectory() as folder:
        found = {}
        for experiment in methods.keys() & published.names():
            names = methods[experiment]
            found[experiment] = results(experiment, names, Path(folder, experiment))
        for name, comparisons in FAMILIES.items():
            lines += [name, *outcome(comparisons, found), ""]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
