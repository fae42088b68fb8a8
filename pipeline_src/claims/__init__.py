"""The paper's claims and whether experiments support them (docs/protocol.md, docs/contributing/extending.md)."""

from collections.abc import Collection

from pipeline_src.errors import UserError, did_you_mean

CLAIM_FILES = ("claims.json", "claims.md")  # what `write.write_claims` writes


def check_names(names: Collection[str], key: str) -> None:
    """Raise a UserError where a key of params.yaml names a claim that an experiment cannot decide by itself."""
    from pipeline_src.claims.registry import CLAIMS

    for name in names:
        if name not in CLAIMS:
            raise UserError(
                f"{key}: there is no claim {name!r}",
                found=f"[{', '.join(names)}]",
                expected=f"true, false, or some of {', '.join(CLAIMS)}",
                fix=did_you_mean(name, CLAIMS) or "docs/protocol.md lists them",
            )
