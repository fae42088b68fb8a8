"""Which block of `methods:` plays which part in the claims.

A block is known by the file of its method (its *code*), not by its own name: `slp_si: {method: slp, ...}` is an SLP.
A claim about a code is decided by one block, its *principal*: the one that bears the code's name, or else the first of
that code in the experiment. Other blocks of the code are variants, judged by the same rule beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What the paper compares with each other. Temperature scaling counts where it corrects the baseline.
COMPARED = (
    *("baseline", "slp", "label_smoothing", "als", "aslp_mei", "aslp_mc"),
    *("temperature", "brier", "mmce", "mixup", "focal", "adafocal"),
)


@dataclass(frozen=True)
class Role:
    """What the claims need to know of a block.

    Attributes:
        code: name of the method's file; empty for a user's own.
        s: share of the uniform label in the expected label of a static method, 2 alpha beta; else None.
        of: the block whose networks a post-hoc method uses.
    """

    code: str
    s: float | None = None
    of: str | None = None

    @classmethod
    def from_block(cls, code: str, settings: Mapping[str, Any]) -> Role:
        """From the code (empty: a user's own file) and the method's parameters."""
        s = None
        if code == "slp":
            s = 2 * settings["alpha"] * settings["beta"]
        elif code == "label_smoothing":
            s = settings["eps"]
        return cls(code, s, settings.get("of"))


Roles = Mapping[str, Role]  # by block, in the order of the experiment


def blocks(roles: Roles, code: str) -> list[str]:
    """Blocks of a code, the principal first."""
    found = [name for name, role in roles.items() if role.code == code]
    return sorted(found, key=lambda name: name != code)


def compared(roles: Roles) -> list[str]:
    """Blocks that belong to the paper's comparison."""

    def belongs(role: Role) -> bool:
        return role.code in COMPARED and (role.of is None or (role.of in roles and roles[role.of].code == "baseline"))

    return [name for name, role in roles.items() if belongs(role)]
