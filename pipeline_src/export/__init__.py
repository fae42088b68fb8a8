"""Networks as self-contained folders: weights, graph, calibrator, preprocessing, ONNX and a model card."""
