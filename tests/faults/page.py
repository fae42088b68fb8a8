"""Write the tables of docs/reliability.md from the rows of this folder: `python tests/faults/page.py`.

A page names a module between `<!-- faults: test_maps -->` and `<!-- end of faults -->`.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reliability.md"
BLOCK = re.compile(r"(<!-- faults: (\w+) -->\n)(.*?)(<!-- end of faults -->)", re.DOTALL)


def page() -> str:
    """The page with today's rows."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{_table(block[2])}\n{block[4]}", PAGE.read_text(encoding="utf-8"))


def _table(module: str) -> str:
    rows = importlib.import_module(module).ROWS
    lines = [f"| {row.fault} | {row.happens} | `{row.name}` |" for row in rows]
    return "\n".join(["| fault | what happens | row |", "|---|---|---|", *lines, ""])


if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "docs/make")]
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
