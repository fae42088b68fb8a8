"""The jobs of an experiment: what each is made of, where its result lies, what runs it, and what would run."""
