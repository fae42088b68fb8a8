"""The methods that train, and post-hoc methods that are no calibrators: one class in each file."""
