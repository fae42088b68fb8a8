"""Figures of an experiment: one file per figure type, listed in `registry.py`."""
