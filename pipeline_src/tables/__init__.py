"""Tables of an experiment; their files by name, which Snakemake asks for whenever it starts."""

PAPER = tuple(f"T{k}" for k in range(1, 10))
ELSEWHERE = ("T5", "T7", "T8")  # of what lies in results/ besides the experiment
TABLE_FILES = (*(f"{name}.{suffix}" for name in ("main", *PAPER) for suffix in ("csv", "md", "tex")), "printed.json")


def table_files() -> tuple[str, ...]:
    """Names of the files of the tables of one experiment."""
    return (*(name for name in TABLE_FILES if name.split(".")[0] not in ELSEWHERE), "metrics.json")
