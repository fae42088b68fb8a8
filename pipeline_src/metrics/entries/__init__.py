"""The entries of the registry of metrics, a file per subject."""
