"""Titles and ideas of methods, read from the docstrings of their files."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any

from pipeline_src.training.calibrated import Calibrated
from pipeline_src.training.method import Block
from pipeline_src.training.registry import method_class, method_names


def docstring_lines(method: type[Block]) -> dict[str, str]:
    """The lines at the end of a method's docstring, or its calibrator's, by key such as `Idea`."""
    text = inspect.cleandoc(_documented(method).__doc__ or "")
    lines = re.findall(r"^([A-Z][a-z]+): (.+(?:\n[ \t]+.+)*)", text, re.MULTILINE)
    return {key: " ".join(value.split()) for key, value in lines}


def _documented(method: type[Block]) -> type:
    """The class that describes a method: its calibrator, if it is one."""
    return method.calibrator() if issubclass(method, Calibrated) else method


def described(code: str, parameters: Mapping[str, Any], epochs: int) -> dict[str, str]:
    """`title` and `idea` of a block of a method of the project; empty for others. A perturbation that starts after the
    last of the `epochs` is none, and what the method is named for does not happen."""
    if code not in method_names():
        return {}
    method = method_class(code)
    module = " ".join((sys.modules[_documented(method).__module__].__doc__ or code).split())
    title, idea = re.split(r": | \(|\.$", module)[0], docstring_lines(method).get("Idea", "")
    if (start := parameters.get("start_epoch", 0)) >= epochs:
        title += " without perturbation"
        idea += f" Not here: it would start after epoch {start:,} of {epochs}, so no label is perturbed."
    return {"title": title, "idea": idea.strip()}


def own_idea(method: type[Block]) -> str:
    """What a method of the user's is: the `Idea` of its class's docstring, or else the first paragraph; empty without a
    docstring of its own."""
    text = inspect.cleandoc(vars(method).get("__doc__") or "")
    return docstring_lines(method).get("Idea") or " ".join(text.split("\n\n")[0].split()) if text else ""
