"""Prediction: trained networks on a store, at the original size of its images."""
