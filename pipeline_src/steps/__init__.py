"""The jobs of an experiment, a file per stage: `jobs` says what each is made of, `work` makes it."""
