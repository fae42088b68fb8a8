"""A definition as text: the same however it is laid out, annotated or documented, and whatever it is imported as."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from copy import copy
from functools import cache
from typing import Any, Protocol

from pipeline_src.engine.modules import FUNCTIONS, SCOPES, Target, bindings, imports, is_text, walk

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
OUTSIDE = {"args", "decorator_list", "bases", "keywords"}  # fields of a function or class that are read outside of it
SILENT = {"annotation", "returns", "ctx", "kind", "type_comment"}  # fields that change no result
Scopes = tuple[Mapping[str, Target | None], ...]  # the innermost last: local name -> where an import of it leads


class Names(Protocol):
    """What the names in a file refer to."""

    def reference(self, name: str | Target, attributes: list[str]) -> tuple[tuple, int] | None:
        """What a name and attributes taken of it refer to, and how many of the attributes that uses up; None for a
        builtin."""

    def imported(self, target: Target) -> tuple | None:
        """What an import counts for by itself; None where only the uses of its name count."""

    def is_module(self, text: str) -> bool:
        """Whether a text is the dotted name of a module of the package."""


def described(statement: ast.stmt, names: Names) -> tuple[str, list[tuple], list[Target]]:
    """The text of a statement, in which `@i` stands for the i-th of the things referred to; these; and all that is
    imported in it."""
    reader = _Reader(names)
    return reader.text(statement, ()), list(reader.references), reader.imports


def behaviour(statement: ast.stmt) -> ast.stmt:
    """A class of values without what makes and checks these: its methods. Anything else stays as it is."""
    if not isinstance(statement, ast.ClassDef):
        return statement
    reduced = copy(statement)
    reduced.bases, reduced.keywords, reduced.decorator_list = [], [], []
    methods = [line for line in statement.body if isinstance(line, FUNCTIONS)]
    reduced.body = [line for line in methods if not any(map(_checks, line.decorator_list))]
    return reduced


def _checks(decorator: ast.expr) -> bool:
    """Whether it makes a method one of pydantic's validators."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return getattr(function, "id", "").endswith(("_validator", "_serializer"))


class _Reader:
    def __init__(self, names: Names):
        self.names = names
        self.references: dict[tuple, int] = {}
        self.imports: list[Target] = []

    def text(self, node: Any, scopes: Scopes, in_class: bool = False) -> str:
        kind = type(node)
        if kind is list:
            return f"[{','.join(filter(None, [self.text(each, scopes, in_class) for each in node]))}]"
        if not issubclass(kind, ast.AST):
            return repr(node)
        special = SPECIAL.get(kind)
        text = special(self, node, scopes) if special else None
        return self._fields(node, kind, scopes, in_class) if text is None else text

    def _fields(self, node: Any, kind: Any, scopes: Scopes, in_class: bool) -> str:
        inner, texts = scopes, [kind.__name__]
        if kind in SCOPES or kind in COMPREHENSIONS:
            inner = (*scopes, self._local(node, kind))
        if kind in COMPREHENSIONS:  # what the first loop runs over is read outside
            texts.append(self.text(node.generators[0].iter, scopes))
        within = kind is ast.ClassDef or (in_class and kind not in FUNCTIONS)
        for field in kind._fields if in_class and kind is ast.AnnAssign else _counting(kind):
            value = getattr(node, field, None)
            if value is None or value == []:  # new Pythons add fields; empty ones say nothing
                continue
            texts += (field, self.text(value, scopes if field in OUTSIDE else inner, within))
        return f"({' '.join(texts)})"

    def _constant(self, node: ast.Constant, scopes: Scopes) -> str | None:
        return "module" if type(node.value) is str and self.names.is_module(node.value) else None

    def _expression(self, node: ast.Expr, scopes: Scopes) -> str | None:
        return "" if is_text(node) else None

    def _call(self, node: ast.Call, scopes: Scopes) -> str | None:
        return "UserError" if "UserError" in (getattr(node.func, "id", ""), getattr(node.func, "attr", "")) else None

    def _keyword(self, node: ast.keyword, scopes: Scopes) -> str | None:
        return "text" if node.arg == "description" else None

    def _import(self, node: ast.Import | ast.ImportFrom, scopes: Scopes) -> str:
        self.imports += (targets := list(imports([node])))
        vertices = [vertex for target in targets if (vertex := self.names.imported(target))]
        return f"Import({','.join(map(self._mark, vertices))})" if vertices else ""

    def _local(self, node: Any, kind: type) -> dict[str, Target | None]:
        """The names of a scope."""
        if kind is ast.comprehension:
            return {}
        if kind in COMPREHENSIONS:
            return dict(bindings(each for generator in node.generators for each in walk(generator.target)))
        body = node.body if isinstance(node.body, list) else [node.body]
        nodes = [each for line in body for each in walk(line, SCOPES)]
        if kind is ast.ClassDef:  # its methods don't see its names, and what it reads of them is harmless
            return {name: target for name, target in bindings(nodes) if target}
        local = {arg.arg: None for arg in walk(node.args) if type(arg) is ast.arg} | dict(bindings(nodes))
        outside = {name for each in nodes if isinstance(each, ast.Global | ast.Nonlocal) for name in each.names}
        return {name: target for name, target in local.items() if name not in outside}

    def _name(self, node: ast.Name | ast.Attribute, scopes: Scopes) -> str | None:
        """A name, with attributes taken of it, by what it refers to; None where that is a local name or a builtin."""
        attributes: list[str] = []
        while type(node) is ast.Attribute:
            attributes.insert(0, node.attr)
            node = node.value
        if type(node) is not ast.Name or type(node.ctx) is not ast.Load:
            return None
        name: str | Target | None = node.id
        for scope in scopes[::-1]:
            if node.id in scope:
                name = scope[node.id]
                break
        if name is None or (reference := self.names.reference(name, attributes)) is None:
            return None
        vertex, used = reference
        text = self._mark(vertex)
        for attribute in attributes[used:]:
            text = f"Attribute({text},{attribute})"
        return text

    def _mark(self, vertex: tuple) -> str:
        return f"@{self.references.setdefault(vertex, len(self.references))}"


SPECIAL: dict[type, Callable[..., str | None]] = {  # what is not described by its fields alone
    ast.Name: _Reader._name,
    ast.Attribute: _Reader._name,
    ast.Constant: _Reader._constant,
    ast.Expr: _Reader._expression,
    ast.Call: _Reader._call,
    ast.keyword: _Reader._keyword,
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import,
}


@cache
def _counting(kind: type[ast.AST]) -> list[str]:
    """The fields of a kind of node that can change a result."""
    return [field for field in kind._fields if field not in SILENT]
