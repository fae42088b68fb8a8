"""A sweep: a grid over one method's parameters, under `sweeps:` of params.yaml."""

from __future__ import annotations

import math
import re
from itertools import product
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from pipeline_src.validation import Name, Strict


class Sweep(Strict):
    """A grid over one method's parameters."""

    model_config = ConfigDict(extra="allow")

    method: Name | None = Field(None, description="The method, one of those in docs/methods.md.")
    file: str | None = Field(
        None, description="Instead of `method`, a Python file of yours, which is run (docs/your-method.md)."
    )
    files: list[str] | None = Field(None, description="With `file`: the files that it reads.")

    @model_validator(mode="after")
    def _spans_a_grid(self) -> Sweep:
        if (self.method is None) == (self.file is None):
            raise ValueError("give `method` or `file`")
        if not self._swept or not all(self._swept.values()):
            raise ValueError("give at least one parameter a list of values to try, as in `alpha: [0.02, 0.05]`")
        return self

    @property
    def _swept(self) -> dict[str, list]:
        return {key: values for key, values in (self.model_extra or {}).items() if isinstance(values, list)}

    @property
    def combinations(self) -> int:
        """How many methods it stands for."""
        return math.prod(map(len, self._swept.values()))

    def blocks(self, name: str) -> dict[str, dict[str, Any] | None]:
        """The blocks of `methods:` that a sweep `name` stands for, such as `name-alpha0_05-beta0_75`."""
        code: dict[str, Any] = {"method": self.method} if self.method else {"file": self.file}
        code |= {"files": self.files} if self.files else {}
        code |= self.model_extra or {}
        chosen = (dict(zip(self._swept, values, strict=True)) for values in product(*self._swept.values()))
        return {title: code | of for title, of in zip(self.titles(name), chosen, strict=True)}

    def titles(self, name: str) -> list[str]:
        """The names of the blocks of a sweep `name`, one for each combination."""
        texts = ([key + re.sub(r"[^A-Za-z0-9+-]", "_", str(value)) for value in of] for key, of in self._swept.items())
        return ["-".join([name, *chosen]) for chosen in product(*texts)]
