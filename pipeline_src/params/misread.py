"""Values that YAML 1.1 reads otherwise than they look: 010 as 8, 1:30 as 90, 2024-01-01 as a date."""

from __future__ import annotations

from collections.abc import Iterator

import yaml


def misread(root: yaml.Node | None) -> list[str]:
    """A line for each such value or key below `root` (None of nothing): what it is read as, and what to write."""
    read = yaml.SafeLoader("")
    lines = []
    for node in _scalars(root, set()) if root else ():
        kind, text = node.tag.rpartition(":")[2], node.value
        if node.style in ("'", '"') or kind not in ("int", "float", "timestamp"):
            continue
        if kind == "timestamp":
            meant, value = f"'{text}'", "a date"
        elif ":" in text or (kind == "int" and _is_octal(text)):
            value = (read.construct_yaml_int if kind == "int" else read.construct_yaml_float)(node)
            meant = f"{value}, or '{text}' for a text"
        else:
            continue
        lines.append(f"line {node.start_mark.line + 1}: YAML reads {text} as {value}; write {meant}")
    return lines


def _is_octal(text: str) -> bool:
    """Whether a whole number is written with a leading 0, which makes it another one."""
    digits = text.lstrip("+-").replace("_", "")
    return digits.isdecimal() and digits.startswith("0") and int(digits, 8) != int(digits)


def _scalars(node: yaml.Node, seen: set[int]) -> Iterator[yaml.ScalarNode]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        yield node
        return
    for child in node.value:
        for each in child if isinstance(node, yaml.MappingNode) else [child]:
            yield from _scalars(each, seen)
