"""Calibration of dense classifiers by label perturbation: data -> training -> prediction -> statistics -> tables,
figures, report."""

__version__ = "0.2.0"
