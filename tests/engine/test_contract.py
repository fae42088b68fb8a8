"""Contracts of jobs: what counts and what does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from pipeline_src.engine import contract
from pipeline_src.engine.contract import as_json
from pipeline_src.engine.job import Job
from pipeline_src.errors import UserError
from pipeline_src.files import write_text


class Model(BaseModel):
    rate: float = 0.1
    name: str = "a"


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Facts:
    order: Mapping[str, int]
    size: tuple[int, ...] = (1, 2)


def work(job: Job, folder: Path) -> None:
    for name in job.files:
        (folder / name).write_text(str(job.parameters))


def made(**changes) -> Job:
    job = Job("train", "train/x", Path("results/x"), "train", ("result.txt",), work, {"a": 1})
    return replace(job, **changes)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "train/y"},
        {"folder": Path("results/y")},
        {"stem": "other"},
        {"files": ("other.txt",)},
        {"options": {"device": "cuda"}},
        {"stamps_in": Path("results/stamps")},
        {"parameters": dict(a=1)},
    ],
)
def test_what_does_not_count(change):
    assert made(**change).contract == made().contract


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "fit"},
        {"parameters": {"a": 2}},
        {"parameters": {"a": 1.0}},
        {"parameters": {"a": "1"}},
        {"parameters": {"b": 1}},
        {"parameters": {"a": 1, "b": None}},
        {"inputs": {"train": made()}},
        {"modules": ("pipeline_src.rng",)},
        {"options": {"model": Model()}, "parameters": {"a": Model()}},
    ],
)
def test_what_counts(change):
    assert made(**change).contract != made().contract


def test_inputs_count_by_role_and_contract_not_by_name():
    of = {name: made(inputs={"train": made(name=name)}) for name in ("one", "two")}
    assert of["one"].contract == of["two"].contract
    assert made(inputs={"val": made()}).contract != of["one"].contract
    assert made(inputs={"train": made(parameters={"a": 2})}).contract != of["one"].contract
    both = {"train": made(), "val": made(parameters={"a": 2})}
    assert made(inputs=both).contract == made(inputs=dict(reversed(both.items()))).contract
    assert made(inputs=both).contract != made(inputs={"train": both["val"], "val": both["train"]}).contract


def test_files_count_by_role_and_content(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("weights")
    two.write_text("weights")
    assert made(other_files={"w": one}).contract == made(other_files={"w": two}).contract
    assert made(other_files={"w": one}).contract != made(other_files={"v": one}).contract
    two.write_text("other weights")
    assert made(other_files={"w": one}).contract != made(other_files={"w": two}).contract


def test_models_and_dataclasses_count_by_their_values():
    assert as_json(Model()) == {"name": "a", "rate": 0.1}
    assert as_json({"f": Facts({"b": 1, "a": 2}), "s": {2, 1}}) == {
        "f": {"order": {"b": 1, "a": 2}, "size": [1, 2]},
        "s": [1, 2],
    }
    assert as_json(Path("a") / "b") == "a/b" and as_json(Colour.RED) == "red"
    contract = made(parameters={"f": Facts({"b": 1, "a": 2})}).contract
    assert made(parameters={"f": Facts({"b": 1, "a": 2})}).contract == contract
    assert made(parameters={"f": Facts({"a": 2, "b": 1})}).contract != contract  # an order may be shown


@pytest.mark.parametrize("value", [np.float64(1), object(), work, b"x"])
def test_values_whose_text_may_differ_between_machines_are_refused(value):
    with pytest.raises(UserError, match=r"cannot be part of its contract[\s\S]*numbers, texts"):
        as_json({"a": [value]})


def test_code_of_classes_that_work_gets_counts():
    """`MethodFacts` is a class of the package: its code counts where a job gets one, as a parameter or an option."""
    from pipeline_src.analysis.facts import MethodFacts
    from pipeline_src.rng import generator

    def files(**values) -> dict[str, str]:
        return made(work=generator, **values).code.files

    assert files().keys() == {f"pipeline_src/{name}.py" for name in ("rng", "files", "engine/run_job")}
    for values in ({"parameters": {"method": MethodFacts()}}, {"options": {"methods": [MethodFacts()]}}):
        assert "pipeline_src/analysis/facts.py" in files(**values)


def test_digests_of_other_code_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read = contract._kept.__wrapped__
    ours = {"code": read()["code"], "digests": {"key": ["a digest", {}]}}
    for content, digests in ((ours, ours["digests"]), (ours | {"code": "x"}, {})):
        write_text(contract.DIGESTS, json.dumps(content))
        assert read() == {"code": ours["code"], "digests": digests}
