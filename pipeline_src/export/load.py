"""The model of this folder, with torch and safetensors alone: `load()(images)`, as README.md shows."""

import hashlib
import json
import runpy
from pathlib import Path

from safetensors.torch import load_file


def load(folder=Path(__file__).parent):
    """Images (B, 3, H, W) uint8, RGB -> probabilities float32: (B, H, W), or (B, K, H, W) of K classes."""
    folder = Path(folder)
    _check(folder)
    model, network = (runpy.run_path(str(folder / name)) for name in ("model.py", "network.py"))
    settings, calibrator = (
        json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        for file in (folder / "preprocessing.json", folder / "calibrator.json")
    )
    weights = load_file(folder / "model.safetensors")
    return model["ExportedModel"](network["logits"], weights, settings, calibrator).eval()


def _check(folder):
    """ValueError where a file is not the one that was exported, by SHA256SUMS, or was not exported at all."""
    text = (folder / "SHA256SUMS").read_text(encoding="utf-8", errors="replace")
    hashes = {name: hashed for hashed, _, name in (line.partition("  ") for line in text.splitlines())}
    for name in ("model.safetensors", "network.py", "preprocessing.json", "calibrator.json", "model.py", "load.py"):
        file, expected = folder / name, hashes.get(name)
        data = file.read_bytes() if file.is_file() else None
        if (None if data is None else hashlib.sha256(data).hexdigest()) != expected:
            text = f"{file} is not the file that was exported: its SHA-256 should be {expected}"
            if data and hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest() == expected:
                text += "; its line ends were changed, as git does: check it out with core.autocrlf=false"
            raise ValueError(text)
