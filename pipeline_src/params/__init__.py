"""The schema of params.yaml (all keys, types, defaults and texts), and its reader."""
