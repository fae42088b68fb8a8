"""Saved prediction maps of any model, evaluated and calibrated by the same numbers as the pipeline's own models.

pairs, reader, masks -> counts -> judge, calibrate; risk. Only `reader` and `masks` check the content of files.
"""
