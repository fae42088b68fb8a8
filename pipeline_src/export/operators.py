"""Whether a network.py is what `graph` writes: torch's operators on tensors, and nothing else that could be run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from pipeline_src.errors import UserError

OPERATOR = re.compile(r"torch\.ops\.aten\.(?!from_file)\w+\.\w+")
VALUE = re.compile(r"torch\.\w+|x\.device")  # types, layouts and formats of tensors; the device
IMPORTS = {"from math import inf, nan", "import torch"}
HARMLESS = (
    *(ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Assign, ast.Return),
    *(ast.Name, ast.Load, ast.Store, ast.Constant, ast.Tuple, ast.List, ast.Subscript, ast.keyword, ast.alias),
    *(ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop),
)


def check(file: Path) -> str:
    """The content of a network.py, which may then be run.

    Raises:
        UserError: the file can't be read, or holds anything but torch's operators.
    """
    try:
        source = file.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (OSError, ValueError, SyntaxError) as error:
        raise _refused(file, error) from None
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if functions != ["logits"]:
        raise _refused(file, f"functions: {', '.join(functions) or 'none'}")
    _check(tree, file)
    return source


def _check(node: ast.AST, file: Path) -> None:
    text = "" if isinstance(node, ast.Module) else ast.unparse(node)
    if isinstance(node, ast.Import | ast.ImportFrom):
        allowed = text in IMPORTS
    elif isinstance(node, ast.Attribute):
        allowed = bool(VALUE.fullmatch(text))
    elif isinstance(node, ast.Call):
        allowed = bool(OPERATOR.fullmatch(ast.unparse(node.func)))
    elif isinstance(node, ast.FunctionDef):
        allowed = not node.decorator_list
    elif isinstance(node, ast.Expr):
        allowed = isinstance(node.value, ast.Constant)
    else:
        allowed = isinstance(node, HARMLESS)
    if not allowed:
        raise _refused(file, f"line {getattr(node, 'lineno', 1)}: {text[:200]}")
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.Call) and child is node.func):
            _check(child, file)


def _refused(file: Path, found: object) -> UserError:
    return UserError(
        f"{file} is not run: it holds more than the operators of a network, or none",
        found=found,
        expected="the file that `export` wrote: one function `logits` of torch.ops.aten alone",
        do="export the network again, or load the folder yourself with its load.py, if you trust it",
    )
