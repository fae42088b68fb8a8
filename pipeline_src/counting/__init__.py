"""Calibration numbers of dense classifiers: one streaming pass into a statistic, then pure functions of it."""
