"""Calibration of dense classifiers by label perturbation: data, training, prediction, counts, tables and figures."""

__version__ = "0.2.0"
