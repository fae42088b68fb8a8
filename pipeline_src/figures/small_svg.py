"""SVG as matplotlib writes it, a quarter smaller without a difference that can be seen."""

from __future__ import annotations

import re

DECIMALS = 2  # of coordinates, in 1/72 inch
LONG = re.compile(rf"-?\d*\.\d{{{DECIMALS + 1},}}")
SIZES = re.compile(r"((?:scale|matrix)\([^)]*\))")  # their numbers are factors: of a glyph's size, which is 2,048
LETTER = re.compile(r'(<use xlink:href="[^"]*") transform="translate\((\S+) 0\)"/>')
GROUP = re.compile(r'<g id="[^"]*"')  # its name, to which nothing refers
PATH = re.compile(r'\bd="[^"]*"')


def smaller(svg: str) -> str:
    """With coordinates of `DECIMALS` decimals, and without names of groups, line breaks in paths and indentation."""
    parts = SIZES.split(svg)
    svg = "".join(part if k % 2 else LONG.sub(_rounded, part) for k, part in enumerate(parts))
    svg = LETTER.sub(r'\1 x="\2"/>', GROUP.sub("<g", svg).replace("<g/>", ""))
    svg = PATH.sub(lambda path: re.sub(r"\s*([MLQCz])\s*", r"\1", path[0]), svg)
    return re.sub(r"\n\s+", "\n", svg)


def _rounded(number: re.Match[str]) -> str:
    return f"{round(float(number[0]), DECIMALS) + 0:.10g}"  # no -0
