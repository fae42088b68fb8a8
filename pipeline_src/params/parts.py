"""Parts of datasets, as `data:` of an experiment names them."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from pipeline_src.validation import Count, Strict, distinct

ALL = "all"  # the split that every dataset has: all samples, sorted by name


class Part(Strict):
    """A part of a set, in the order of the split's list: `{set: DUTS-TR, split: val, last: 500}`, or 2,500 images after
    the first 500: `{set: DUTS-TR, split: train, skip: 500, first: 2500}`."""

    set: str
    split: str = ALL
    first: Count | None = None
    last: Count | None = None
    skip: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_end(self) -> Part:
        if self.first is not None and self.last is not None:
            raise ValueError("`first` and `last` cannot be given together")
        if self.skip and self.first is None:
            raise ValueError("`skip` needs `first`, the number of images after those that are skipped")
        return self

    def __str__(self) -> str:
        ends = [f"{key} {getattr(self, key)} of " for key in ("first", "last") if getattr(self, key) is not None]
        skipped = f" after {self.skip}" if self.skip else ""
        return f"{''.join(ends)}{self.set}/{self.split}{skipped}"

    def positions(self, size: int) -> range:
        """The positions of the part's images in a split of `size` images, as far as the split reaches."""
        if self.last:
            return range(max(0, size - self.last), size)
        return range(min(self.skip, size), min(size, self.skip + self.first) if self.first else size)


# What prediction/corruptions.py can do to images.
CorruptionName = Literal[
    "gaussian_noise", "shot_noise", "gaussian_blur", "defocus_blur", "contrast", "brightness", "jpeg"
]
Severity = Annotated[int, Field(ge=1, le=5)]


class Corrupted(Part):
    """A test set in several corruptions and severities: `{set: ECSSD, corrupt: [contrast, jpeg], severity: [1, 5]}`."""

    corrupt: list[CorruptionName] = Field(
        min_length=1, description="What is done to the images when they are evaluated."
    )
    severity: list[Severity] = Field(
        [1, 2, 3, 4, 5], min_length=1, description="How much of it, as in ImageNet-C: 1 is little, 5 most."
    )

    _distinct = field_validator("corrupt", "severity")(distinct)

    @property
    def clean(self) -> Part:
        """The images as they are."""
        return Part(**{key: getattr(self, key) for key in Part.model_fields})

    def parts(self, name: str) -> dict[str, tuple[CorruptionName, int]]:
        """The parts that a line `name` stands for, such as `name-jpeg-5`: the corruption and the severity of each."""
        return {
            f"{name}-{kind}-{severity}": (kind, severity) for kind, severity in product(self.corrupt, self.severity)
        }


def _perhaps_corrupted(value: Any) -> Any:
    written = isinstance(value, dict) and {"corrupt", "severity"} & value.keys()
    return Corrupted.model_validate(value) if written else value


TestSet = Annotated[SerializeAsAny[Part], BeforeValidator(_perhaps_corrupted)]
