"""Post-hoc calibrators: functions that map the predictions of a trained network to better
calibrated probabilities. Each is a `calibrator.Calibrator` in a file of its own.
"""
