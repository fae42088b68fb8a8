"""What counts of a Python file in a fingerprint: its syntax tree as text, and its imports.

The text leaves out what cannot change a result, and changes no fingerprint: comments,
docstrings, type hints of functions, imports for type checkers, texts of log calls and errors,
descriptions of parameters.
"""

from __future__ import annotations

import ast
from typing import Any

from pipeline_src.errors import UserError

IGNORED = {"ctx", "kind", "returns", "type_comment", "type_params"}  # fields of syntax trees
LOGGER = "logging.getLogger"
LEVELS = ("debug", "info", "warning", "error", "exception", "critical", "log")
SILENT = {f"{LOGGER}.{level}" for level in LEVELS} | {"warnings.warn"}
# Errors whose arguments are only text. Arguments of others, such as a reason, may be read where
# they are caught.
TEXTS = {
    "pipeline_src.errors.UserError",
    "ValueError",
    "TypeError",
    "KeyError",
    "RuntimeError",
    "NotImplementedError",
}
IMPORTERS = {"import_module", "importlib.import_module", "__import__"}


class Remover(ast.NodeTransformer):
    """A transformer that removes from a syntax tree what cannot change a result.

    It also makes imports absolute, with one name in each statement.

    Attributes:
        package: the parts of the dotted name of the file's folder.
        origins: name -> the dotted name that it stands for by an import; `LOGGER` for a logger.
    """

    def __init__(self, package: list[str]):
        self.package = package
        self.origins: dict[str, str] = {}

    def _origin(self, node: ast.expr) -> str:
        """Return the dotted name that an expression stands for, after the imports so far: for
        `np.exp`, this is numpy.exp. If the expression is no name, return its text.
        """
        first, dot, rest = ast.unparse(node).partition(".")
        return f"{self.origins.get(first, first)}{dot}{rest}"

    def visit_Import(self, node: ast.Import) -> Any:
        """Split an import into one per name; `import a.b` without `as` becomes an import of `a`,
        the name that it binds.
        """
        names = {}
        for alias in node.names:
            top = alias.name.partition(".")[0]
            names[alias.asname or top] = alias.name if alias.asname else top
        return self._imports(names, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        """Split a `from` import into one per name, and make a relative one absolute: `level` is its
        number of dots; one is the file's own package.
        """
        parts = []
        if node.level:
            parts += self.package[: len(self.package) - node.level + 1]
        if node.module:
            parts.append(node.module)
        names = {alias.asname or alias.name: ".".join([*parts, alias.name]) for alias in node.names}
        return self._imports(names, node.lineno)

    def _imports(self, names: dict[str, str], line: int) -> list[ast.Import]:
        """Return an import statement for each name, and remember in `origins` what it stands for.

        Args:
            names: name in this file -> the dotted name that it stands for.
            line: of the statement, for an error.
        """
        self.origins |= names
        return [
            ast.Import([ast.alias(origin, name, lineno=line)]) for name, origin in names.items()
        ]

    def visit_Assign(self, node: ast.Assign) -> Any:
        """Remember the name that an assignment gives to a logger, and keep the assignment."""
        self.generic_visit(node)
        if isinstance(node.value, ast.Call) and self._origin(node.value.func) == LOGGER:
            self.origins |= dict.fromkeys(_defined(node), LOGGER)
        return node

    def visit_Name(self, node: ast.Name) -> Any:
        """Forget the import behind a name that is assigned another value: a call of it may be no
        log call then.
        """
        if isinstance(node.ctx, ast.Store):
            self.origins.pop(node.id, None)
        return node

    def visit_If(self, node: ast.If) -> Any:
        """Replace an `if TYPE_CHECKING:` statement by its `else` branch."""
        if self._origin(node.test) != "typing.TYPE_CHECKING":
            return self.generic_visit(node)
        node.body = []
        self.generic_visit(node)
        return node.orelse

    def visit_Expr(self, node: ast.Expr) -> Any:
        """Remove docstrings and log calls.

        Calls in the arguments of a log call stay: they may change a state.
        """
        call = node.value
        if isinstance(call, ast.Constant):
            return None
        if isinstance(call, ast.Call) and self._origin(call.func) in SILENT:
            inner = []
            for part in ast.walk(call):
                if part is not call and isinstance(part, ast.Call | ast.NamedExpr):
                    inner.append(ast.Expr(part))
            return inner
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> Any:
        """Remove the text of an error."""
        if isinstance(node.exc, ast.Call) and self._origin(node.exc.func) in TEXTS:
            node.exc = node.exc.func
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        """Remove the description of a parameter, which only help texts show."""
        if self._origin(node.func) == "pydantic.Field":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> Any:
        """Remove the type hint of an argument, whose name hides an import of the same name."""
        self.origins.pop(node.arg, None)
        node.annotation = None
        return node


def definition(tree: ast.Module, name: str) -> ast.Module:
    """Return the definition of a name with the statements of its file that it uses, directly or
    not: other definitions of the file do not count for a job that runs this one.

    Statements that define nothing are also returned, because they may do anything.
    """
    used = {name}
    known = 0  # number of names before the last pass
    while known < len(used):  # until a pass adds no name
        known = len(used)
        chosen = [node for node in tree.body if not _defined(node) or _defined(node) & used]
        for node in chosen:
            used |= _names(node)
    return ast.Module(chosen, [])


def _names(node: ast.AST) -> set[str]:
    """Return the names in a tree."""
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def _defined(node: ast.stmt) -> set[str]:
    """Return the names that a statement of a module defines; none for statements that may do more.

    `Remover` has rewritten every import as `import <dotted name> as <name>`.
    """
    if isinstance(node, ast.Import):
        return {str(alias.asname) for alias in node.names} - {"*"}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return set().union(*map(_names, node.targets))
    if isinstance(node, ast.AnnAssign | ast.AugAssign):
        return _names(node.target)
    return set()


def text(node: Any) -> str:
    """Return a syntax tree, or a list of them, as text that is equal in all versions of Python.

    Fields that are empty or `IGNORED` are left out, since versions differ in them. A value that is
    no tree is its repr.
    """
    if isinstance(node, list):
        return f"[{','.join(map(text, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if value not in (None, []) and name not in IGNORED:
            fields.append(f"{name}={text(value)}")
    return f"{type(node).__name__}({','.join(fields)})"


def imports(tree: ast.Module, file: str, computes: bool) -> list[str]:
    """Return the sorted dotted names that a syntax tree imports, after `Remover` visited it.

    Args:
        file: the file of the tree, for the error.
        computes: whether functions of the file may import modules by computed names.

    Raises:
        UserError: a function imports, by a name that may be computed.
    """
    found = set()
    # A name occurs as a variable, an attribute or an import.
    for node in ast.walk(tree):
        if isinstance(node, ast.alias):
            found.add(node.name.removesuffix(".*"))
        names = {str(getattr(node, field, "")) for field in ("id", "attr", "name")}
        if names & IMPORTERS and not computes:
            raise UserError(
                f"{file}, line {getattr(node, 'lineno', 0)}: modules are imported by a function",
                found="results would stay current when the code of these modules changes",
                expected="an import statement, which may stand inside a function",
            )
    return sorted(found)
