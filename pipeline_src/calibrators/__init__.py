"""Post-hoc calibrators: functions that map the predictions of a trained network to better
calibrated probabilities. Each is a subclass of `calibrator.Calibrator` in a file of its own.
"""
