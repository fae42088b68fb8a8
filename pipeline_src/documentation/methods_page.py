"""docs/methods.md, made from the method files: one row each, from its class's docstring and its parameters.

A docstring says the row in lines of its own at its end: `Idea:`, `Formula:`, `Changes:`, `Cost:` and `Source:`, each
going on in the lines below it that are indented further.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from pipeline_src.errors import UserError
from pipeline_src.training.method import Block
from pipeline_src.training.registry import FOLDER, choose

FILE = Path("docs/methods.md")
COLUMNS = ("Idea", "Formula", "Changes", "Cost", "Source")
KINDS = {  # where a method comes from, in the order of the page
    "paper": "The paper's, and what it compares with by the same formula",
    "ours": "Ours: beyond the paper",
    "rivals": "Rivals that train",
    "posthoc": "Without training of their own",
}
HEAD = """# Methods

Made by `python -m pipeline_src docs` from the files in `pipeline_src/training/methods/`; a test keeps the two in step.

Each method is one file and one block of `params.yaml`; naming the block in an experiment's `methods:` is all it takes.
Symbols are those of [method.md](method.md): labels $y$, logits $z$, probabilities $f$, cross entropy $L$ with a target,
$U$ the uniform label, $p(y, \\beta)$ the perturbed one, $m$ the mean margin, $A$ and $C$ accuracy and confidence on the
validation images. All methods work for one logit a pixel and for K classes. *Cost* is that of a training step beside
the baseline's, as measured by `python benchmarks/method_steps.py` on one CPU thread in the setting of `mini`; texts and
bounds of the parameters are in [params.md](params.md#methods).
"""


def page() -> str:
    """The whole page as Markdown."""
    rows: dict[str, list[list[str]]] = {kind: [] for kind in KINDS}
    for file in sorted(FOLDER.glob("[!_]*.py")):
        method = type(choose(file.stem, {}).method)
        facts = described(method)
        cells = [f"`{file.stem}`", *(facts[column] for column in COLUMNS[:2]), _parameters(method)]
        rows[facts["Kind"]].append([*cells, *(facts[column] for column in COLUMNS[2:])])
    head = ["Method", *COLUMNS[:2], "Parameters", *COLUMNS[2:]]
    parts = [HEAD.strip()]
    for kind, title in KINDS.items():
        lines = [head, ["---"] * len(head), *rows[kind]]
        parts += [f"## {title}", "\n".join(f"| {' | '.join(cells)} |" for cells in lines)]
    return "\n\n".join(parts) + "\n"


def described(method: type[Block]) -> dict[str, str]:
    """The facts at the end of a method's docstring; UserError names those that are missing."""
    text = inspect.cleandoc(method.__doc__ or "")
    found = re.findall(r"^([A-Z][a-z]+): (.+(?:\n[ \t]+.+)*)", text, re.MULTILINE)
    facts = {key: " ".join(value.split()).replace("|", "\\|") for key, value in found}
    missing = [key for key in ("Kind", *COLUMNS) if key not in facts]
    if missing or facts["Kind"] not in KINDS:
        raise UserError(
            f"{method.__module__}: the docstring of {method.__name__} doesn't describe the method",
            found=f"without {', '.join(missing)}" if missing else f"Kind: {facts['Kind']}",
            expected=f"lines {', '.join(COLUMNS)} and Kind ({', '.join(KINDS)})",
        )
    return facts


def _parameters(method: type[Block]) -> str:
    return ", ".join(f"`{name}` {field.default}" for name, field in method.model_fields.items()) or "–"
