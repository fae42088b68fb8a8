"""Training of segmentation networks: augmented batches, methods, and the loop.

A method changes labels or the loss. The loop writes checkpoints, and the network of a run.
"""
