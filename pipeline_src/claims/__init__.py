"""The paper's claims C1 to C9 and whether an experiment bears them out (docs/protocol.md section 6).

Their files by name, which Snakemake asks for whenever it starts.
"""

CLAIM_FILES = ("claims.json", "claims.md")
