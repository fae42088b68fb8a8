"""Prediction: trained networks over a store at the images' original size, and what is kept of it."""
