"""Saved prediction maps of any model, evaluated and calibrated by the same numbers as the
pipeline's own models.

files -> counts -> risk, judge, calibrate. Only `files` checks the content of files.
"""
