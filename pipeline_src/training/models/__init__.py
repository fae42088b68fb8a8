"""Segmentors: named configs, our backbone and decode head, and what builds them."""
