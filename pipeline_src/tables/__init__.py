"""Tables of an experiment; their files by name, which Snakemake asks for whenever it starts."""

TABLE_FILES = ("main.csv", "main.md", "main.tex")
