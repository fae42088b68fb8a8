"""What the project's methods are, in words: from their files, which say it once."""

from __future__ import annotations

import inspect
import re
import sys

from pipeline_src.training.method import Block
from pipeline_src.training.registry import method_class, method_names


def docstring_lines(method: type[Block]) -> dict[str, str]:
    """The lines at the end of a method's docstring by key, such as `Idea`."""
    text = inspect.cleandoc(method.__doc__ or "")
    lines = re.findall(r"^([A-Z][a-z]+): (.+(?:\n[ \t]+.+)*)", text, re.MULTILINE)
    return {key: " ".join(value.split()) for key, value in lines}


def described(code: str) -> dict[str, str]:
    """`title` and `idea` of a method of the project; empty for others."""
    if code not in method_names():
        return {}
    method = method_class(code)
    module = " ".join((sys.modules[method.__module__].__doc__ or code).split())
    return {"title": re.split(r": | \(|\.$", module)[0], "idea": docstring_lines(method).get("Idea", "")}
