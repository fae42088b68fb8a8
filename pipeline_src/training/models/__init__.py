"""Segmentors: named config files, a backbone and a decode head of this package, and the builder."""
