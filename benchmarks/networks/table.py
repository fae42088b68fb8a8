"""Evaluate published full-size networks: `python benchmarks/networks/table.py DATA CACHE`.

Predicts with IS-Net (weights of 16 and of 8 bits), fits every calibrator to DUTS validation images, and writes `table.md`
with 95 % confidence intervals over images. U2-Net is evaluated on saved maps. An interrupted command resumes.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from pipeline_src.analysis.compare import differences, paired
from pipeline_src.analysis.estimate import estimate
from pipeline_src.analysis.resampling import key_of, resample_counts
from pipeline_src.calibrators import NAMES, files
from pipeline_src.calibrators.calibrator import fitted
from pipeline_src.maps.calibrate import pixels_of
from pipeline_src.maps.counts import count
from pipeline_src.maps.pairs import Pair, Pairs
from pipeline_src.metrics.metric import Difference, with_ends
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS

HERE = Path(__file__).parent
PACKAGE = "@imgly/background-removal-data@1.4.5"
NETWORKS = {"medium": "IS-Net, 16 bit", "small": "IS-Net, 8 bit"}
SIDE = 1024
SHOWN = ("accuracy", "ece", "brier")
VALIDATION, TEST = "DUTS-validation", ("ECSSD", "DUTS-held-out", "DTD", "Brodatz")
TEXTURES = ("DTD", "Brodatz")


class Data:
    """Images and masks of DATA: `archives/NAME.tar` with Image/ and GT/, `splits/NAME-SPLIT.txt` with their stems."""

    def __init__(self, data: Path, cache: Path, images: int):
        duts = self._stems(data, "DUTS-TR-val")
        sets = {
            VALIDATION: ("DUTS-TR", duts[:500]),
            "ECSSD": ("ECSSD", self._stems(data, "ECSSD-test")),
            "DUTS-held-out": ("DUTS-TR", duts[500:]),
            "DTD": ("DTD", self._stems(data, "DTD-official500-subset") + self._stems(data, "DTD-extra")),
            "Brodatz": ("Brodatz", self._stems(data, "Brodatz-test")),
        }
        self.data, self.cache = data, cache
        self.archives = {name: archive for name, (archive, _) in sets.items()}
        self.all_stems = {name: sorted(stems) for name, (_, stems) in sets.items()}
        self.stems = {name: stems[:images] for name, stems in self.all_stems.items()}

    @staticmethod
    def _stems(data: Path, split: str) -> list[str]:
        return (data / f"splits/{split}.txt").read_text(encoding="utf-8").split()

    def extract(self) -> None:
        """Extract the archives and U2-Net's saved maps into the cache."""
        saved = sorted((self.data / "predictions/U2Net").glob("*.tar"))
        for tar in [*(self.data / f"archives/{name}.tar" for name in set(self.archives.values())), *saved]:
            folder = self.cache / ("maps/u2net" if tar in saved else "sets") / tar.stem
            if not folder.exists():
                with tarfile.open(tar) as archive:
                    archive.extractall(folder, filter="data")

    def image(self, name: str, stem: str) -> Image.Image:
        """The image of a set as RGB."""
        return Image.open(self.cache / "sets" / self.archives[name] / "Image" / f"{stem}.jpg").convert("RGB")

    def pairs(self, network: str, name: str) -> Pairs:
        """The maps of a network on a set, with their masks."""
        maps, masks = self.cache / "maps" / network / name, self.cache / "sets" / self.archives[name] / "GT"
        saved = network == "u2net"
        stems = self.all_stems[name] if saved else self.stems[name]
        suffix = "png" if saved else "npy"
        return Pairs(maps, masks, [Pair(s, maps / f"{s}.{suffix}", masks / f"{s}.png") for s in stems], [])


def model(network: str, cache: Path) -> onnxruntime.InferenceSession:
    """A network of `PACKAGE`, whose file is the concatenation of the chunks that resources.json lists."""
    dist = cache / "package/dist"
    if not dist.exists():
        packed = subprocess.run(["npm", "pack", PACKAGE], cwd=cache, check=True, capture_output=True, text=True)
        with tarfile.open(cache / packed.stdout.split()[-1]) as archive:
            archive.extractall(cache, filter="data")
    resources = json.loads((dist / "resources.json").read_text(encoding="utf-8"))
    chunks = resources[f"/models/{network}"]["chunks"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    weights = b"".join((dist / chunk["hash"]).read_bytes() for chunk in chunks)
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def predict(session: onnxruntime.InferenceSession, image: Image.Image) -> np.ndarray:
    """The probability of the object, (H, W) float32: the network's first output, resized to the image."""
    x = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    x = ((x - 128) / 256).transpose(2, 0, 1)[None]
    probability = session.run(session.get_outputs()[:1] and [session.get_outputs()[0].name], {"input": x})[0][0, 0]
    resized = Image.fromarray(probability).resize(image.size, Image.Resampling.BILINEAR)
    return np.asarray(resized).clip(0, 1)


def predict_all(data: Data) -> None:
    """Write the missing maps, image by image over all sets and networks, so a stopped command has equal shares."""
    sessions = {network: model(network, data.cache) for network in NETWORKS}
    for k in range(max(map(len, data.stems.values()))):
        for name, stems in data.stems.items():
            for network, session in sessions.items() if k < len(stems) else ():
                path = data.cache / "maps" / network / name / f"{stems[k]}.npy"
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    temporary = path.with_suffix(".part")
                    with open(temporary, "wb") as file:
                        np.save(file, predict(session, data.image(name, stems[k])))
                    temporary.rename(path)
        print(f"image {k + 1} of each set", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--images", type=int, default=200, help="images of each set, the first by name")
    arguments = parser.parse_args()
    data = Data(arguments.data, arguments.cache, arguments.images)
    data.extract()
    predict_all(data)
