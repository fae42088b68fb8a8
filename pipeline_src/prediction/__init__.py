"""Predictions of trained networks for preprocessed images, at the images' original size."""
