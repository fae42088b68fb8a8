"""Post-hoc calibrators: functions that map the predictions of a trained network to better
calibrated probabilities. Each calibrator is a subclass of `calibrator.Calibrator` in its own file.
"""
