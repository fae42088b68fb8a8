"""params.schema.json takes what is valid, and marks in an editor what is not."""

from __future__ import annotations

import copy
import json

import jsonschema
import params_schema
import pytest
import yaml
from project import ROOT

from pipeline_src.training.registry import method_names

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
CHECK = jsonschema.Draft202012Validator(params_schema.schema())


def test_the_file_is_in_step():
    assert params_schema.FILE.read_text(encoding="utf-8") == params_schema.page(), "run `python docs/make`"


def test_it_is_a_schema_and_params_yaml_names_it():
    jsonschema.Draft202012Validator.check_schema(json.loads(params_schema.FILE.read_text(encoding="utf-8")))
    first = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={params_schema.FILE}"


def test_our_own_parameters_are_valid():
    assert not list(CHECK.iter_errors(PARAMS))
    every = copy.deepcopy(PARAMS)
    every["methods"] |= {f"a_{name}": {"method": name} for name in method_names()}
    every["methods"] |= {"mine": {"file": "my_method.py", "weight": 2}, "slp": {"method": "focal"}, "brier": None}
    assert not list(CHECK.iter_errors(every))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["experimnt"], "demo"),
        (["defaults", "training", "lr"], "fast"),
        (["defaults", "trainig"], {}),
        (["defaults", "augmentation", "flip"], 1.5),
        (["experiments", "tiny", "methods"], "baseline"),
        (["experiments", "tiny", "data"], {"id": {"a": {"set": 3}}}),
        (["methods", "slp", "alhpa"], 0.1),
        (["methods", "slp_si", "method"], "slpp"),
        (["methods", "slp_si", "bta"], 1),
        (["methods", "new"], {"alpha": 0.1}),
        (["datasets"], {"mine": {"imges": "x"}}),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, list) else "",
)
def test_a_fault_is_marked(path, value):
    broken = copy.deepcopy(PARAMS)
    at = broken
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert list(CHECK.iter_errors(broken))
