"""A network as a Python file: the operators of its graph, found by torch.export, written out one a line."""

from __future__ import annotations

import ast
import logging
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule
from torch.fx.graph import CodeGen

from pipeline_src.errors import UserError

log = logging.getLogger(__name__)
CONSTANT = "specialized it to be a constant"
HEADER = '''\
"""The network as torch's operators: the predictions that are averaged, logits ({batch}, {channels}, h, w) each.

x: images ({batch}, 3, {size}, {size}) float32, RGB in 0..255. weights: the tensors of model.safetensors by name.
"""

from math import inf, nan  # noqa: F401

import torch


def logits({arguments}):
'''
CHECKS = ("_assert_tensor_metadata", "_assert_scalar")  # of the example's device and type; they compute nothing
# What a network.py may hold
OPERATOR = re.compile(r"torch\.ops\.aten\.(?!from_file)\w+\.\w+")
VALUE = re.compile(r"torch\.\w+|x\.device")  # types, layouts and formats of tensors; the device
IMPORTS = {"from math import inf, nan", "import torch"}
HARMLESS = (
    *(ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Assign, ast.Return),
    *(ast.Name, ast.Load, ast.Store, ast.Constant, ast.Tuple, ast.List, ast.Subscript, ast.keyword, ast.alias),
    *(ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop),
)


@dataclass(frozen=True)
class Written:
    """A network as the content of network.py.

    Attributes:
        tensors: its weights by name.
        single: whether it takes one image at a time: its graph depends on the number of images (Swin Transformers).
    """

    source: str
    tensors: dict[str, Tensor]
    single: bool


def written_out(module: nn.Module, size: int, channels: int, named: Callable[[str], str]) -> Written:
    """The graph of a network.

    Args:
        module: x (B, 3, size, size) float32 -> a tuple of logits (B, channels, h, w), in evaluation mode. Its graph may
            not depend on the content of the images.
        named: what a tensor of the module is called in the folder.

    Raises:
        UserError: it has no such graph.
    """
    try:
        program, single = _exported(module, size, 2), False
    except Exception as error:  # whatever a network makes of tensors without content
        program, single = _exported_single(module, size), True
        log.warning("the exported network takes one image at a time: %s", _reason(error))
    graph_module = _module(program)
    tensors = _with_weights(graph_module, named)
    source = graph_module.graph.python_code("self").src
    body = source[source.index("\n", source.index("def forward")) + 1 :]
    # On whichever device the images are.
    body = re.sub(r"(?:torch\.)?device\(type='cpu'\)", "x.device", body)
    arguments = ", ".join(node.name for node in graph_module.graph.nodes if node.op == "placeholder")
    text = HEADER.format(channels=channels, size=size, batch=1 if single else "B", arguments=arguments)
    text += "\n".join(line.rstrip() for line in body.splitlines())
    return Written(text.rstrip() + "\n", tensors, single)


def _exported(module: nn.Module, size: int, images: int) -> torch.export.ExportedProgram:
    shapes = ({0: torch.export.Dim("batch")},) if images > 1 else None
    with torch.no_grad():
        return torch.export.export(module, (torch.rand(images, 3, size, size) * 255,), dynamic_shapes=shapes)


def _exported_single(module: nn.Module, size: int) -> torch.export.ExportedProgram:
    try:
        return _exported(module, size, 1)
    except Exception as error:
        raise UserError(
            "the network cannot be written as a graph of operators",
            found=f"{type(error).__name__}: {_first_line(error)}",
            expected="a forward pass whose steps do not depend on the values of its tensors",
            do="export another network, or predict with it here: dense-calibration predict --run RUN",
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")[:300]


def _reason(error: Exception) -> str:
    """In words where the graph depends on the number of images; else the error."""
    if CONSTANT in str(error):
        return "its code makes the number of images a constant, as len(x) and int(x.shape[0]) do"
    return f"{type(error).__name__}: {_first_line(error)}"


def check(file: Path) -> str:
    """The content of a network.py, which may then be run: torch's operators on tensors and nothing else.

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


def run(source: str) -> Callable[[dict[str, Tensor], Tensor], list[Tensor]]:
    """The function of a network.py, of which `check` has found that it is operators alone."""
    names: dict[str, Any] = {}
    exec(compile(source, "network.py", "exec"), names)
    return names["logits"]


def _module(program: torch.export.ExportedProgram) -> GraphModule:
    """With names of inputs in the place of trees of them, and without checks."""
    graph_module = program.module()
    assert isinstance(graph_module, GraphModule)
    graph = graph_module.graph
    graph.set_codegen(CodeGen())
    for node in [*graph.nodes]:
        name = getattr(node.target, "__name__", str(node.target))
        if node.op == "call_module" or name.partition(".")[0] in CHECKS:
            graph.erase_node(node)
    return graph_module


def _with_weights(graph_module: GraphModule, named: Callable[[str], str]) -> dict[str, Tensor]:
    """Let the graph take its tensors from a dict `weights`, the first argument; the dict."""
    graph: Graph = graph_module.graph
    images = next(node for node in graph.nodes if node.op == "placeholder")
    with graph.inserting_before(images):
        weights = graph.placeholder("weights")
    tensors: dict[str, Tensor] = {}
    for node in [node for node in graph.nodes if node.op == "get_attr"]:
        name = named(str(node.target))
        tensors[name] = operator.attrgetter(str(node.target))(graph_module).detach()
        with graph.inserting_before(node):
            taken = graph.create_node("call_function", operator.getitem, (weights, name), name=re.sub(r"\W", "_", name))
        node.replace_all_uses_with(taken)
        graph.erase_node(node)
    return tensors


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


def _refused(file: Path, reason: object) -> UserError:
    return UserError(
        f"{file} is not run: it holds more than the operators of a network, or none",
        found=reason,
        expected="the file that `export` wrote: one function `logits` of torch.ops.aten alone",
        do="export the network again, or load the folder yourself with its load.py, if you trust it",
    )
