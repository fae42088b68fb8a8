"""The files of a user's code: what a file imports from beside itself belongs to it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from pipeline_src.python_source import PACKAGE, ROOT, syntax_tree


def with_neighbours(files: tuple[Path, ...]) -> tuple[Path, ...]:
    """`files` and the Python files that they import, directly or not, from their own folder or the working folder.

    Our own files are left as they are: `contract.code_digest` follows their imports.
    """
    queue, found = list(files), []
    while queue:
        if (file := queue.pop(0)) in found:
            continue
        found.append(file)
        if file.suffix != ".py" or file.is_relative_to(ROOT):
            continue
        for level, name in _imports(syntax_tree(file)):
            steps = name.split(".")
            if steps[0] == PACKAGE:
                continue
            for base in [file.parents[level - 1]] if level else dict.fromkeys([file.parent, Path()]):
                places = [base.joinpath(*steps[:i]) for i in range(1, len(steps) + 1)]
                queue += [f for p in places for f in (p.with_suffix(".py"), p / "__init__.py") if f.is_file()]
    return tuple(found)


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(dots of a relative import, dotted name) of all that a file imports; names taken from a module may be modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module or ''}.{alias.name}".strip(".") for alias in node.names)]
            yield from ((node.level, name) for name in names if name)
