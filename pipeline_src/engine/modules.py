"""A Python file as contracts see it: its top-level statements, the names that each binds, and where imports lead."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline_src.python_source import syntax_tree

# Decorators of these packages change what they decorate and nothing else; any other may enter it in a registry.
HARMLESS = {"abc", "contextlib", "dataclasses", "functools", "numba", "numpy", "typing"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.ClassDef, ast.Lambda, ast.comprehension)


@dataclass(frozen=True)
class Target:
    """What an import binds a name to.

    Attributes:
        module: dotted name; relative ones begin with as many dots as they go up.
        name: what is taken from the module, None for the module itself.
    """

    module: str
    name: str | None = None


class Module:
    """A file, or a folder without `__init__.py`, which has no statements.

    Attributes:
        statements: those at the top level; what stands under `if TYPE_CHECKING:` is left out.
        bound: name -> what binds it, in order: the number of a statement, or what an import leads to.
    """

    def __init__(self, file: Path):
        self._body = syntax_tree(file).body if file.suffix == ".py" else []
        self.statements = list(_executed(self._body))
        self.bound: dict[str, list[int | Target]] = {}
        for number, statement in enumerate(self.statements):
            for name, target in bindings(walk(statement, SCOPES)):
                self.bound.setdefault(name, []).append(number if target is None else target)

    @cached_property
    def imported(self) -> list[Target]:
        """All that is imported at the top level."""
        return [target for statement in self.statements for target in imports(walk(statement, SCOPES))]

    @cached_property
    def effects(self) -> list[int]:
        """Statements that do something besides binding names, such as entries in a registry."""
        names = (node.id for line in self._body for node in walk(line) if type(node) is ast.Name)
        used = set(names)
        return [number for number, line in enumerate(self.statements) if self._does_something(line, used)]

    def _does_something(self, line: ast.stmt, used: set[str]) -> bool:
        if isinstance(line, ast.Import | ast.ImportFrom):  # one that nothing uses is there for what it does
            return getattr(line, "module", "") != "__future__" and not {name for name, _ in bindings([line])} & used
        if isinstance(line, (*FUNCTIONS, ast.ClassDef)):
            return any(self._may_register(decorator) for decorator in line.decorator_list)
        if isinstance(line, ast.Assign | ast.AnnAssign):
            targets = line.targets if isinstance(line, ast.Assign) else [line.target]
            return any(isinstance(node, ast.Attribute | ast.Subscript) for to in targets for node in walk(to))
        return not isinstance(line, ast.Pass) and not is_text(line)

    def _may_register(self, decorator: ast.expr) -> bool:
        while isinstance(decorator, ast.Call | ast.Attribute):
            decorator = decorator.func if isinstance(decorator, ast.Call) else decorator.value
        bound = self.bound.get(decorator.id, []) if isinstance(decorator, ast.Name) else []
        return {
            each.module.split(".")[0] if isinstance(each, Target) else "" for each in bound or [0]
        } - HARMLESS != set()


def bindings(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, Target | None]]:
    """Names that `nodes` bind, and what an import leads to (None for what is no import). A star import binds `*`."""
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name, None
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, None
            case ast.Import():
                for alias in node.names:
                    bound = alias.asname or alias.name.split(".")[0]
                    yield bound, Target(alias.name if alias.asname else bound)
            case ast.ImportFrom():
                for alias in node.names:
                    yield alias.asname or alias.name, Target("." * node.level + (node.module or ""), alias.name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, None
            case ast.MatchMapping(rest=str(name)):
                yield name, None


def imports(nodes: Iterable[ast.AST]) -> Iterator[Target]:
    """What import statements among `nodes` lead to, the modules of `import a.b` in full."""
    for node in nodes:
        if type(node) is ast.Import:
            yield from (Target(alias.name) for alias in node.names)
        elif type(node) is ast.ImportFrom:
            yield from (target for _, target in bindings([node]) if target)


def walk(node: ast.AST, closed: tuple[type, ...] = ()) -> Iterator[ast.AST]:
    """A node and all below it, but for what is inside nodes of the types `closed`; in no particular order."""
    queue = [node]
    while queue:
        node = queue.pop()
        yield node
        kind = type(node)
        if kind is ast.Name or kind is ast.Constant or kind in closed:
            continue
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                queue.append(value)
            elif type(value) is list:
                queue += [each for each in value if isinstance(each, ast.AST)]


def is_text(line: ast.AST) -> bool:
    """Whether a statement is a docstring or another bare text."""
    return type(line) is ast.Expr and type(line.value) is ast.Constant and type(line.value.value) is str


def _executed(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """What an import runs: not what is for type checkers, nor for a script."""
    for line in statements:
        if isinstance(line, ast.If) and _is_never_true(line.test):
            yield from line.orelse
        else:
            yield line


def _is_never_true(test: ast.expr) -> bool:
    if isinstance(test, ast.Compare):
        return isinstance(test.left, ast.Name) and test.left.id == "__name__"
    return getattr(test, "id", getattr(test, "attr", "")) == "TYPE_CHECKING"
