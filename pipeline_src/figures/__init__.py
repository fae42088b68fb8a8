"""Figures of an experiment: which there are is in `catalogue.py`, how they are made in `write.py`."""
