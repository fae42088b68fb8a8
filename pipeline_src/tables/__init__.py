"""Tables of an experiment and across experiments (docs/contributing/extending.md)."""


def table_files() -> tuple[str, ...]:
    """Return the names of the files that `write.write_tables` writes."""
    from pipeline_src.tables.registry import TABLES

    return (*(f"{name}.{suffix}" for name in ("main", *TABLES) for suffix in ("csv", "md")), "metrics.json")
