"""Segmentors: named configs, our backbone and decode head for mmsegmentation's registry, and what builds them."""
