"""Figures of an experiment: which there are, by name. How they are made is in `main.py`.

Each lies as <name>.svg and <name>.png beside <name>.csv, the numbers that it is drawn from.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from pipeline_src.statistics.statistic import PROTOCOLS

# Snakemake asks for the names whenever it starts: nothing slow is imported here.


def reliability_name(protocol: str, method: str, part: str) -> str:
    return f"reliability-{protocol}-{quote(method, safe='')}-{quote(part, safe='')}"


def comparison_name(protocol: str, part: str) -> str:
    return f"comparison-{protocol}-{quote(part, safe='')}"


def alpha_name(method: str) -> str:
    return f"alpha-{quote(method, safe='')}"


def figure_files(methods: Iterable[str], parts: Iterable[str], learned: Iterable[str]) -> list[str]:
    """Names of all files that `main.write_figures` writes.

    Args:
        methods: all methods of the experiment.
        parts: all parts that are evaluated.
        learned: those methods that learn alphas.
    """
    methods, parts = list(methods), list(parts)
    names = [reliability_name(protocol, method, part) for protocol in PROTOCOLS for method in methods for part in parts]
    names += [comparison_name(protocol, part) for protocol in PROTOCOLS for part in parts]
    files = [name + suffix for name in names for suffix in (".csv", ".png", ".svg")]
    files += [alpha_name(method) + suffix for method in learned for suffix in (".csv", "-last.csv", ".png", ".svg")]
    return sorted(files)
