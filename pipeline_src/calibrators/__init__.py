"""Post-hoc calibrators: functions that map the predictions of a trained network to better probabilities.

Each is one class in one file, a `calibrator.Calibrator`: fitted from `pixels.Pixels` of validation images, applied to
the logits of an image, and kept as a small readable file (`files`).
"""

from typing import Literal

# Of an image: what its predictions are like, without its truth.
Feature = Literal["entropy", "foreground", "margin", "peak"]
