"""The model of this folder, with torch and safetensors alone: `load()(images)`, as README.md shows."""

import hashlib
import json
import runpy
from pathlib import Path

from safetensors.torch import load_file


def load(folder=Path(__file__).parent):
    """Images (B, 3, H, W) uint8, RGB -> probabilities float32: (B, H, W), or (B, K, H, W) of K classes."""
    _check(folder)
    model, network = (runpy.run_path(str(folder / name)) for name in ("model.py", "network.py"))
    settings, calibrator = (
        json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        for file in (folder / "preprocessing.json", folder / "calibrator.json")
    )
    return model["Model"](network["logits"], load_file(folder / "model.safetensors"), settings, calibrator).eval()


def _check(folder):
    """ValueError where a file is not the one that was exported, by SHA256SUMS."""
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        hashed, _, name = line.partition("  ")
        if name != "model.onnx" and hashlib.sha256((folder / name).read_bytes()).hexdigest() != hashed:
            raise ValueError(f"{folder / name} is not the file that was exported: its SHA-256 should be {hashed}")
