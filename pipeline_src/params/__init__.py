"""params.yaml: its schema (the one truth on keys, types, defaults and texts), and its reading."""
