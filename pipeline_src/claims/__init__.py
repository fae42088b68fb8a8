"""The paper's claims, and whether experiments support them (docs/protocol.md)."""
