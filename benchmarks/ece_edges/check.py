"""Test an implementation of ECE on values at bin edges: `python check.py my_module:my_ece`

`my_ece(probability, label, bins)` gets arrays as its users have them, and returns a number. The
cases and right answers are in cases.json; README.md explains them.
"""

import importlib
import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

CASES = json.loads(Path(__file__).with_name("cases.json").read_text(encoding="utf-8"))


def arrays(case):
    """Return the probabilities of a case, (N,) or (N, K) of K classes, and its labels (N,) int64.

    Probabilities are integers (8 or 16 bit), or floats that cases.json has as hexadecimal text.
    """
    is_float = not case["type"].startswith("uint")

    def number(value):
        """Return a number of cases.json, or the numbers in a list."""
        if isinstance(value, list):
            return [number(item) for item in value]
        return float.fromhex(value) if is_float else value

    values = np.array(number(case["values"]), case["type"])
    times = case.get("times", 1)  # how often each pixel occurs
    return np.repeat(values, times, axis=0), np.repeat(np.array(case["labels"]), times, axis=0)


def wrong(ece):
    """Yield (case, answer, value or error of `ece`) for cases that it misses by more than 1e-6."""
    for case in CASES:
        answer = float(Fraction(case["answer"]))
        try:
            value = float(ece(*arrays(case), case["bins"]))
        except Exception as error:
            value = error
        if isinstance(value, Exception) or not abs(value - answer) < 1e-6:
            yield case, answer, value


def named(words):
    """Return the function that the command line names; without one, end with the usage."""
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
