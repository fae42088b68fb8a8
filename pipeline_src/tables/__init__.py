"""Tables of an experiment and across experiments (docs/contributing/extending.md)."""
