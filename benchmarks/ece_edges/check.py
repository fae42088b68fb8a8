"""Where does an ECE decide edges otherwise than its definition? `python check.py my_module:my_ece`

`my_ece(probability, label, bins)` is given arrays as its users have them, and returns a number.
README.md says more.
"""

import importlib
import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

CASES = json.loads(Path(__file__).with_name("cases.json").read_text(encoding="utf-8"))


def arrays(case):
    """Probabilities (N,), or (N, K) of K classes, in the case's type, and labels (N,) int64."""

    def number(value):
        return (
            list(map(number, value))
            if isinstance(value, list)
            else value
            if whole
            else float.fromhex(value)
        )

    whole = case["type"].startswith("uint")
    values, labels = np.array(number(case["values"]), case["type"]), np.array(case["labels"])
    return (np.repeat(of, case.get("times", 1), axis=0) for of in (values, labels))


def wrong(ece):
    """(case, answer, what `ece` gives) of each case that it misses by over 1e-6 or fails on."""
    for case in CASES:
        answer = float(Fraction(case["answer"]))
        try:
            value = float(ece(*arrays(case), case["bins"]))
        except Exception as error:
            value = error
        if isinstance(value, Exception) or not abs(value - answer) < 1e-6:
            yield case, answer, value


def named(words):
    """The function that the command line names; without one, the program ends with its usage."""
    try:
        (word,) = words
        module, name = word.split(":")
        return getattr(importlib.import_module(module), name)
    except (ValueError, ImportError, AttributeError) as error:
        sys.exit(f"usage: python check.py MODULE:FUNCTION, as in my_module:my_ece ({error})")


if __name__ == "__main__":
    sys.path.insert(0, ".")
    missed = list(wrong(named(sys.argv[1:])))
    for case, answer, value in missed:
        print(f"{case['name']}: {value!r}, not {answer:.6f}. {case['reason']}")
    print(f"{len(CASES) - len(missed)} of {len(CASES)} cases are right")
    sys.exit(bool(missed))
