"""Networks as folders that stand alone: weights, graph, calibrator, preprocessing, ONNX and a model card."""
