"""Quantities (names and printed form of numbers) and metrics (functions of counts)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial

import numpy as np

from pipeline_src.metrics.inputs import Input
from pipeline_src.text_tables import UNDEFINED

# The direction of better values of a quantity.
LOW = -1
NEITHER = 0
HIGH = 1
Function = Callable[..., np.ndarray]  # arguments as an `Input` provides them -> values (...)
# Ranges of quantities.
FRACTION = (0, 1)
SIGNED = (-1, 1)
NOT_NEGATIVE = (0, math.inf)


@dataclass(frozen=True)
class Quantity:
    """A kind of number: its name, unit and printed form, the same in tables, figures and reports.

    Attributes:
        title: its name in a sentence.
        heading: of a column; by default the title, with % for percent.
        unit: of differences.
        factor: of the printed number; 100 for percent.
        digits: printed after the decimal point.
        better: LOW, HIGH or NEITHER, the direction of better values.
        range: least and largest value that it can have; intervals end there.
    """

    title: str
    _: KW_ONLY
    heading: str = ""
    unit: str = ""
    factor: float = 1
    digits: int = 3
    better: int = LOW
    range: tuple[float, float] = (-math.inf, math.inf)

    @property
    def column(self) -> str:
        """The heading of a column in a table."""
        return self.heading or self.title + " %" * (self.factor == 100)

    def text(
        self,
        mean: float,
        spread: float = math.nan,
        low: float = math.nan,
        high: float = math.nan,
        mark: str = "",
    ) -> str:
        """Return a number as printed text, such as "2.00 % ± 0.10 [1.81, 2.19]".

        Args:
            mean: over seeds; a dash stands for NaN.
            spread: the standard deviation over seeds; left out if it is NaN.
            low, high: the confidence limits; left out if they are NaN.
            mark: follows the mean: a unit, or a sign for the best value.
        """
        if math.isnan(mean):
            return UNDEFINED
        text = self.number(mean) + mark
        if not math.isnan(spread):
            text += f" ± {self.number(spread)}"
        return text if math.isnan(low) else f"{text} [{self.number(low)}, {self.number(high)}]"

    def number(self, value: float) -> str:
        """Return `value` as printed text; a zero has no sign."""
        # The format `z` removes the sign of a zero.
        return f"{self.factor * value:z,.{self.digits}f}".replace("-", "−")

    def signed(self, value: float) -> str:
        """Return a difference as text with a sign.

        It has one digit more than values, except in percentage points, which have enough digits.
        """
        if math.isnan(value):
            return UNDEFINED
        digits = self.digits + (self.factor == 1)
        text = f"{self.factor * value:+.{digits}f}".replace("-", "−")
        return text if text.strip("+−0.") else text[1:]  # no sign before a zero


def with_ends(quantity: Quantity, value: float, ends: Sequence[float] | None) -> str:
    """Return `value` as printed text, with its confidence limits where they are known."""
    low, high = ends or (math.nan, math.nan)
    return quantity.text(value, low=low, high=high)


@dataclass(frozen=True)
class Difference(Quantity):
    """The printed form of differences of a quantity: all numbers have a sign."""

    @classmethod
    def of(cls, quantity: Quantity) -> Difference:
        """Return how differences of a quantity are printed; the title says that percentages differ
        in points.
        """
        title = f"{quantity.title}, points" if quantity.factor == 100 else quantity.title
        return cls(
            title=title,
            heading=title,
            factor=quantity.factor,
            digits=quantity.digits,
            better=quantity.better,
        )

    def number(self, value: float) -> str:
        """Return a difference, or one of its confidence limits, as signed text."""
        return self.signed(value)


@dataclass(frozen=True)
class Metric(Quantity):
    """A function of counts, with its printed form.

    Attributes:
        input: the arguments of the function, exactly or on resamples.
        function: its arguments are those that `input` provides.
        definition: formula and meaning, Markdown in one line.
        reference: its source.
        undefined: the reason where its value is NaN.
        needs_true_class: whether it is undefined if some pixels have no true class.
        decided_by: the metric by whose difference two values are called different, where the
            resampled values of this one mislead: an error near 0 can only be resampled to larger
            ones.
        floor: the metric that says what this one measures where there is no error; values below it
            are not ranked.
        on_request: whether it is slow, and left out where it was not asked for.
    """

    input: Input
    function: Function
    definition: str
    _: KW_ONLY
    reference: str = ""
    undefined: str = "no pixel counts"
    needs_true_class: bool = False
    decided_by: str = ""
    floor: str = ""
    on_request: bool = False

    @property
    def classes(self) -> str:
        """For which numbers of classes it is defined: "two", "several" or "any"."""
        return self.input.classes


# A metric that is a fraction, printed in percent; differences are in points.
percent = partial(Metric, factor=100, digits=2, unit="percentage points", range=FRACTION)
# A metric between 0 and 1 that is printed as it is.
fraction = partial(Metric, range=FRACTION)
# A metric that is a squared error, which decides differences of an error. It is unbounded below,
# because the sampling variance is subtracted.
squared = partial(Metric, factor=1e4, digits=2, unit="points²")


def same(mean: np.ndarray) -> np.ndarray:
    """Return the value unchanged: the function of a metric whose input already is its value."""
    return mean
