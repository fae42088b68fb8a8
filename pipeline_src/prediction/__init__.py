"""Prediction: an exported model over a store, at the images' original size."""
