"""The jobs of an experiment: their inputs, fingerprints, results, manifests, runner and plan."""
