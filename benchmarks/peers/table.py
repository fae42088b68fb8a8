"""Compare packages: `python benchmarks/peers/table.py [MAPS MASKS] [--python PACKAGE=INTERPRETER
...]`.

Writes `table.txt` from measurements (`measure.py`, a process per package, one thread) and
`facts.yaml`. Packages that do not fit into one environment get an interpreter of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
# Relative differences from ours that count as equal.
SAME = {"ece": 1e-6, "brier": 1e-6, "temperature": 1e-3}
MEASURED = {
    "version": "Version",
    "ece": "ECE, 10 bins",
    "brier": "Brier score",
    "temperature": "Fitted temperature",
    "edges": "Right ECE on values at bin edges (`ece_edges`)",
    "fastest": "ECE, ns a pixel: minimum (median)",
    "ratio": "ECE, times ours: minimum (median)",
    "megabytes": "ECE, memory beyond the maps, MB per million pixels",
}


def measure(package: str, python: str, folders: list[str]) -> dict | str:
    """Return the numbers of a package (`measure.measured`), or the last line of its error."""
    command = [python, str(HERE / "measure.py"), package, *folders]
    environment = os.environ | THREADS | {"PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines() or ["no output"]
    return lines[-1] if done.returncode else json.loads(lines[-1])


def cell(row: str, numbers: dict | str, ours: dict) -> str:
    """Return a measured cell of the table; values that differ from ours are bold."""
    if isinstance(numbers, str):
        return "not measured"
    if row in SAME:
        value = numbers[row]
        expected = ours[row]
        if value is None:
            return "-"
        text = f"{value:.7f}" if row != "temperature" else f"{value:.4f}"
        return text if abs(value / expected - 1) <= SAME[row] else f"**{text}**"
    if row == "ratio":
        return (
            f"{numbers['fastest'] / ours['fastest']:.0f} ({numbers['median'] / ours['median']:.0f})"
        )
    if row == "fastest":
        return f"{numbers['fastest']:.3g} ({numbers['median']:.3g})"
    if row == "edges":
        return f"{numbers['edges']} of {numbers['cases']}"
    return f"{numbers[row]:.0f}" if row == "megabytes" else str(numbers[row])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", help="maps and masks; synthetic maps without")
    parser.add_argument("--python", action="append", default=[], help="PACKAGE=INTERPRETER")
    arguments = parser.parse_args()
    facts = yaml.safe_load((HERE / "facts.yaml").read_text(encoding="utf-8"))
    interpreters = dict(pair.split("=", 1) for pair in arguments.python)
    results: dict[str, Any] = {}
    for package in facts["packages"]:
        results[package] = measure(
            package, interpreters.get(package, sys.executable), arguments.folders
        )
        print(package, results[package], flush=True)
    ours = results["ours"]
    heads = ["", *facts["packages"]]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    rows = [
        (title, [cell(row, numbers, ours) for numbers in results.values()])
        for row, title in MEASURED.items()
    ]
    rows += [
        (title, [of[row] for of in facts["packages"].values()])
        for row, title in facts["rows"].items()
    ]
    lines += [f"| {title} | {' | '.join(map(str, cells))} |" for title, cells in rows]
    maps = f"{ours['pixels']:,} pixels of {'saved maps' if arguments.folders else 'synthetic maps'}"
    intro = (
        "# Packages on the same maps\n\n"
        f"By `python benchmarks/peers/table.py` on {maps}, one thread. "
        "Bold: differs from our number. `facts.yaml` names the source of each statement.\n\n"
    )
    (HERE / "table.txt").write_text(intro + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
