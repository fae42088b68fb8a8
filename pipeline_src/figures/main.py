"""All figures of an experiment, made from statistics and alphas.

Drawing reads statistic files and `alpha.csv` only, so a new style costs seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline_src.errors import UserError
from pipeline_src.figures import alpha, comparison, reliability, style
from pipeline_src.figures.catalogue import Facts, figure_files, pictures
from pipeline_src.files import write_text
from pipeline_src.tables.results import Numbers, Results, pooled, read


@dataclass(frozen=True)
class Sources:
    """Files that figures are made from besides statistics, by (method, seed)."""

    alphas: Mapping[tuple[str, int], Path] = field(default_factory=dict)


def write_figures(results: Results, facts: Facts, sources: Sources, out: Path) -> list[Path]:
    """Write the figures of an experiment into `out`; returns the files, those of `catalogue.figure_files`.

    Raises:
        UserError: a method was not evaluated on a part.
    """
    missing = [
        f"{method} on {part}" for method in results.methods for part in results.parts if not results.seeds(method, part)
    ]
    if missing:
        raise UserError("figures need every method on every data set", found=f"no statistic of {', '.join(missing)}")
    numbers = read(results)
    names = {(p.kind, p.protocol, p.part, p.method): p.name for p in pictures(facts)}
    with style.house():
        for part in results.parts:
            _write_part(results, facts, numbers, part, names, out)
        for method in facts.learned:
            files = {seed: path for (name, seed), path in sources.alphas.items() if name == method}
            _write_alpha(results, method, files, out / names["alpha", "", "", method])
    return [out / name for name in figure_files(facts)]


def _write_part(results: Results, facts: Facts, numbers: Numbers, part: str, names: Mapping, out: Path) -> None:
    """Each method's diagram on one data set and the comparison of all, in both protocols."""
    counts = {method: pooled(results, method, part) for method in results.methods}
    tables = {
        (p, m): reliability.prepare(counts[m][p], results.bins) for p in results.protocols for m in results.methods
    }
    floor = reliability.floor_of([bins for bins, _ in tables.values()])
    for protocol in results.protocols:
        first = numbers.table[(numbers.table["part"] == part) & (numbers.table["protocol"] == protocol)].iloc[0]
        size = f"{protocol} protocol · {first['images']:,} images · {style.count(first['pixels'])} pixels"
        for method in results.methods:
            bins, whole = tables[protocol, method]
            lines = [size, f"{_errors(numbers, protocol, part, method)} · {results.bins} bins · {facts.whose(method)}"]
            figure = reliability.draw(bins, whole, f"{results.label(method)} on {part}", lines, floor)
            _save(figure, _with_whole(bins, whole), out / names["reliability", protocol, part, method])
        labels = _distinct(results)
        curves = {labels[method]: tables[protocol, method][0] for method in results.methods}
        notes = {labels[method]: _errors(numbers, protocol, part, method, "   ") for method in results.methods}
        figure = comparison.draw(
            curves, notes, f"All methods on {part}", [size, f"{facts.whose()} · {results.bins} bins"], floor
        )
        keyed = {method: _with_whole(*tables[protocol, method]) for method in results.methods}
        table = pd.concat(keyed, names=["method", None]).reset_index("method")
        _save(figure, table, out / names["comparison", protocol, part, ""])


def _write_alpha(results: Results, method: str, files: Mapping[int, Path], stem: Path) -> None:
    tables = [pd.read_csv(path, dtype={"id": str}) for path in files.values()]
    course, last = alpha.course(tables), alpha.histogram(tables)
    lines = [f"{len(tables[0]):,} training images · {len(course)} epochs · {_seeds(sorted(files))}"]
    figure = alpha.draw(course, last, f"{results.label(method)}: learned α", lines)
    _write_csv(last, stem.with_name(stem.name + "-last"))
    _save(figure, course, stem)


def _errors(numbers: Numbers, protocol: str, part: str, method: str, between: str = " · ") -> str:
    """ECE and OE as the table has them: means over seeds, where the bins are those of all seeds' pixels together."""
    row = numbers.mean.loc[protocol, part, method]
    return between.join(f"{name.upper()} {style.percent(row[name], 2)}" for name in ("ece", "oe"))


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))} pooled"


def _distinct(results: Results) -> dict[str, str]:
    """Printed names; a method's own name where two would be printed alike."""
    labels = [results.label(method) for method in results.methods]
    return {m: label if labels.count(label) == 1 else m for m, label in zip(results.methods, labels, strict=True)}


def _with_whole(bins: pd.DataFrame, whole: pd.Series) -> pd.DataFrame:
    """The bins and, as a last row named "all", all pixels together."""
    total = {"bin": "all", "lower": 0.0, "upper": 1.0, "pixels": bins["pixels"].sum(), "share": 1.0, **whole}
    table = bins.copy()
    table.insert(0, "bin", [str(k) for k in range(1, len(bins) + 1)])
    return pd.concat([table, pd.DataFrame([total])], ignore_index=True)


def _write_csv(table: pd.DataFrame, stem: Path) -> None:
    write_text(stem.with_name(stem.name + ".csv"), table.to_csv(index=False, lineterminator="\n"))


def _save(figure, table: pd.DataFrame, stem: Path) -> None:
    _write_csv(table, stem)
    style.save(figure, stem)
