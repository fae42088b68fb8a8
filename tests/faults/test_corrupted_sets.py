"""Lines of params.yaml that stand for corrupted test sets, with faults; parameters of methods out of their range."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from bad_input import BadInput, refusals
from project import ROOT

from pipeline_src.params.load import read
from pipeline_src.pipeline.jobs import build

LINE = {"set": "tiny-scenes", "split": "test", "corrupt": ["jpeg"], "severity": [1]}


def written(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Writes our params.yaml with a change of its content."""

    def make(folder: Path) -> None:
        content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        change(content)
        (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    return make


def row(name: str, fault: str, change: Callable[[dict[str, Any]], object], what: str, **parts: str) -> BadInput:
    happens = "nothing runs; the message names the key and what is allowed"
    return BadInput(name, fault, lambda _: build(read(), "tiny"), what, make=written(change), happens=happens, **parts)


def line(name: str, fault: str, what: str, **parts: Any) -> BadInput:
    """A row of the line `scenes-c`, with other values or, where one is None, without it."""
    words = {key: parts.pop(key) for key in ("found", "expected", "do") if key in parts}
    values = {key: value for key, value in (LINE | parts).items() if value is not None}
    return row(
        name, fault, lambda of: of["experiments"]["tiny"]["data"]["id"].update({"scenes-c": values}), what, **words
    )


def method(name: str, fault: str, code: str, what: str, **parameters: Any) -> BadInput:
    """A row of a method's block, which `tiny` runs."""

    def change(content: dict[str, Any]) -> None:
        content["methods"][code] = parameters
        content["experiments"]["tiny"]["methods"] = ["baseline", code]

    return row(name, fault, change, rf"methods\.{code} has invalid values:\n +- {what}")


ROWS = [
    line(
        "unknown-corruption",
        "a corruption that there is not",
        r"scenes-c\.corrupt\.0: .*'jpeg' \(found 'fog'\)",
        corrupt=["fog"],
    ),
    line("no-corruption", "a corrupted set without a corruption", r"scenes-c\.corrupt: .*at least 1", corrupt=[]),
    line("severity-alone", "severities without a corruption", r"scenes-c\.corrupt: is missing", corrupt=None),
    line(
        "corruption-not-in-a-list", "a corruption that is not in a list", r"scenes-c\.corrupt: .*list", corrupt="jpeg"
    ),
    line(
        "corruption-twice",
        "a corruption that is named twice",
        r"scenes-c\.corrupt: duplicate",
        corrupt=["jpeg", "jpeg"],
    ),
    line("severity-of-0", "a severity of 0", r"scenes-c\.severity\.0: .*equal to 1 \(found 0\)", severity=[0]),
    line("severity-of-6", "a severity above 5", r"scenes-c\.severity\.0: .*equal to 5 \(found 6\)", severity=[6]),
    line("severity-not-in-a-list", "a severity that is not in a list", r"scenes-c\.severity: .*list", severity=3),
    line("severity-twice", "a severity that is named twice", r"scenes-c\.severity: duplicate", severity=[1, 1]),
    line("corrupted-without-a-set", "a corrupted set that names no data set", r"scenes-c\.set: is missing", set=None),
    line(
        "corrupted-unknown-set",
        "a corrupted set of an unknown data set",
        "tiny-scene'",
        set="tiny-scene",
        expected="tiny-scenes",
    ),
    line(
        "corrupted-unknown-split",
        "a corrupted set of an unknown split",
        "no split 'tset'",
        split="tset",
        expected="test",
    ),
    line("corrupted-two-ends", "`first` and `last` of a corrupted set", "`first` and `last`", first=2, last=2),
    row(
        "corrupted-training",
        "corrupted training images",
        lambda of: of["experiments"]["tiny"]["data"]["train"].update(corrupt=["jpeg"]),
        r"data\.train\.corrupt: no such key",
    ),
    row(
        "corrupted-validation",
        "corrupted validation images",
        lambda of: of["experiments"]["tiny"]["data"]["val"].update(corrupt=["jpeg"]),
        r"data\.val\.corrupt: no such key",
    ),
    row(
        "corrupted-name-taken",
        "a test set that is named like a corrupted part",
        lambda of: of["experiments"]["tiny"]["data"]["id"].update(
            {"scenes-c": LINE, "scenes-c-jpeg-1": {"set": "tiny-scenes", "split": "test"}}
        ),
        r"a name of its own, duplicates are scenes-c-jpeg-1",
    ),
    method("svls-even-window", "an even window of SVLS", "svls", r"size: .*3, 5 or 7 \(found 4\)", size=4),
    method(
        "svls-no-width", "a Gaussian of SVLS without width", "svls", r"sigma: .*greater than 0 \(found 0\)", sigma=0
    ),
    method(
        "nacl-negative-weight", "a negative weight of NACL", "nacl", r"weight: .*equal to 0 \(found -1\)", weight=-1
    ),
    method("ace-one-bin", "mL1-ACE in one bin", "ml1_ace", r"bins: .*equal to 2 \(found 1\)", bins=1),
    method("ace-unknown-bins", "an unknown kind of bins", "ml1_ace", r"binning: .*'hard' or 'soft'", binning="fuzzy"),
    method("dice-no-smooth", "a Dice loss that may divide by 0", "dice_ce", r"smooth: .*greater than 0", smooth=0),
    method("tta-no-scale", "test-time augmentation without a scale", "tta", r"scales: .*at least 1", scales=[]),
    method("tta-scale-of-0", "test-time augmentation at scale 0", "tta", r"scales\.0: .*greater than 0", scales=[0]),
    method("tta-unknown-mirror", "an unknown mirror", "tta", r"mirror: .*'horizontal' or 'both'", mirror="vertical"),
]


test_it_is_refused = refusals(ROWS)
