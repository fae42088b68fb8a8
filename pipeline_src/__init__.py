"""Calibration of dense classifiers by label perturbation."""

__version__ = "0.2.0"
