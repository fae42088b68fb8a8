"""The paper's claims and whether experiments support them (docs/protocol.md section 6, docs/guides/claim.md)."""

CLAIM_FILES = ("claims.json", "claims.md")  # what `main.write_claims` writes
