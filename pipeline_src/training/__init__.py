"""Training of segmentation networks: augmented batches, methods, and the loop.

A method changes the labels, the loss or both. The loop writes checkpoints, and the trained network.
"""
