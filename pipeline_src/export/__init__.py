"""Trained networks outside of experiments: predicted maps of image files, and exported self-contained folders."""
