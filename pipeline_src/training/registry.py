"""The registry of methods, and the method that a block of `methods:` in params.yaml names.

A new method is a file in `methods` and an entry here (docs/contributing/extending.md). An entry
names the module and the class, so only the methods of an experiment are imported. Each post-hoc
calibrator is also a method; calibrators have a registry of their own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import create_model

from pipeline_src.calibrators.registry import CALIBRATORS, calibrator_entry
from pipeline_src.errors import UserError, check_name
from pipeline_src.python_source import ROOT, registered_class, syntax_tree
from pipeline_src.training.method import MethodEntry
from pipeline_src.training.posthoc import Calibrated
from pipeline_src.validation import validate

PACKAGE = "pipeline_src.training.methods"
# Name of each method -> its module in `PACKAGE`, and its class.
METHODS = MappingProxyType(
    {
        "acls": "acls:ACLS",
        "adafocal": "adafocal:AdaFocal",
        "als": "als:ALS",
        "aslp_cl": "aslp_cl:ASLPCL",
        "aslp_cl_permuted": "aslp_cl_permuted:ASLPCLPermuted",
        "aslp_groups": "aslp_groups:ASLPGroups",
        "aslp_mc": "aslp_mc:ASLPMC",
        "aslp_mei": "aslp_mei:ASLPMEI",
        "averaged": "averaged:Averaged",
        "baseline": "baseline:Baseline",
        "brier": "brier:Brier",
        "deep_ensemble": "deep_ensemble:DeepEnsemble",
        "dice_ce": "dice_ce:DiceCE",
        "entropy_penalty": "entropy_penalty:EntropyPenalty",
        "focal": "focal:Focal",
        "label_smoothing": "label_smoothing:LabelSmoothing",
        "mbls": "mbls:MbLS",
        "mc_dropout": "mc_dropout:MCDropout",
        "mixup": "mixup:Mixup",
        "ml1_ace": "ml1_ace:ML1ACE",
        "mmce": "mmce:MMCE",
        "nacl": "nacl:NACL",
        "slp": "slp:SLP",
        "svls": "svls:SVLS",
    }
)


def method_names() -> list[str]:
    """Return the names of all methods, which include the calibrators.

    Raises:
        UserError: a calibrator has the name of another method.
    """
    shared = METHODS.keys() & CALIBRATORS.keys()
    if shared:
        raise UserError(
            f"{', '.join(shared)}: a method and a calibrator of the same name",
            fix="rename one, in training/registry.py or calibrators/registry.py",
        )
    return sorted([*METHODS, *CALIBRATORS])


def method_class(name: str) -> type[MethodEntry]:
    """Return the class of a method, which is imported only when it is asked for."""
    if name in CALIBRATORS:
        return calibrated_method(name)
    return registered_class(PACKAGE, METHODS[name])


@cache
def calibrated_method(name: str) -> type[Calibrated]:
    """Return the post-hoc method that applies a calibrator, a subclass of `Calibrated`.

    Its class has the module and the name of the calibrator's class. Fingerprints of jobs cover the
    module of their method's class, so they change with the calibrator's code.
    """
    entry = calibrator_entry(name)
    module, _, class_name = entry.partition(":")
    place = f"pipeline_src.calibrators.{module}"
    method = create_model(class_name, __base__=Calibrated, __module__=place)
    method.calibrator_entry = entry
    return method


@dataclass(frozen=True)
class Chosen:
    """A method that a block of `methods:` in params.yaml describes.

    Attributes:
        method: the method; its fields are its parameters.
        code: its name in the registry. The block may have another name: blocks with different
            parameters can share one method.
    """

    method: MethodEntry
    code: str


def choose(name: str, entry: dict[str, Any] | None) -> Chosen:
    """Return the method of the block `name` of `methods:` in params.yaml.

    Args:
        entry: content of the block. Its key `method` names a method of the package if the block has
            another name; all other keys are parameters. None for all defaults.

    Raises:
        UserError: names the wrong key or value.
    """
    parameters = dict(entry or {})
    code = str(parameters.pop("method", name))
    check_name(
        code,
        method_names(),
        f"methods.{name}: there is no method {code!r}",
        fix=f"add {code!r} to {__file__}",
    )
    return Chosen(validate(method_class(code), parameters, f"methods.{name}"), code)


# Descriptions, from docstrings


def docstring_lines(docstring: str) -> dict[str, str]:
    """Return the facts at the end of a docstring by key, such as `Idea` for "Idea: text".

    Indented lines continue a fact. Tables of methods in the report and the docs show the facts.
    """
    found = re.findall(r"^([A-Z][a-z]+): (.+(?:\n[ \t]+.+)*)", docstring, re.MULTILINE)
    return {key: " ".join(text.split()) for key, text in found}


def described(name: str, parameters: Mapping[str, Any], epochs: int) -> dict[str, str]:
    """Return `title` and `idea` of a method of the package, for the report; empty for other names.

    Both state it if the perturbation would start only after the last epoch.

    Args:
        parameters: the method's parameters.
        epochs: number of epochs of the training.
    """
    if name not in method_names():
        return {}
    of_module, of_class = _docstrings(name)
    # The first words of the module's docstring, up to a colon, a bracket or the full stop.
    title = re.split(r": | \(|\.$", " ".join(of_module.split()) or name)[0]
    idea = docstring_lines(of_class).get("Idea", "")
    start = parameters.get("start_epoch", 0)
    if start >= epochs:
        title += " without perturbation"
        idea += f" Not here: it would start after epoch {start:,} of {epochs}, "
        idea += "so no label is perturbed."
    return {"title": title, "idea": idea.strip()}


def _docstrings(name: str) -> tuple[str, str]:
    """Return the docstrings of the module and of the class of a method or calibrator.

    They are read from the file, because its imports take long.
    """
    folder = "training/methods" if name in METHODS else "calibrators"
    module, _, class_name = (METHODS | CALIBRATORS)[name].partition(":")
    tree = syntax_tree(ROOT / folder / f"{module}.py")
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    return ast.get_docstring(tree) or "", ast.get_docstring(classes[class_name]) or ""
