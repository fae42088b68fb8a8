"""The methods that train, and post-hoc methods that are no calibrators: a class in a file each."""
