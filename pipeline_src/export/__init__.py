"""Trained networks outside of experiments: maps of image files, and self-contained folders."""
