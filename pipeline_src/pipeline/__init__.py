"""The jobs of an experiment: their inputs, fingerprints, results and manifests, the runner and the plan."""
