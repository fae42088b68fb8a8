"""Evaluate published full-size networks: `python benchmarks/networks/table.py DATA CACHE [--images
N]`.

Predicts with IS-Net, whose weights have 16 or 8 bits, fits every calibrator to DUTS validation
images, and writes table.txt. U2-Net is evaluated on saved maps. An interrupted command resumes from
the maps in CACHE.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from pipeline_src.analysis.estimate import estimate
from pipeline_src.analysis.measurement import Measurement
from pipeline_src.analysis.resampling import key_of, measure
from pipeline_src.calibrators.calibrator import Calibrator, calibrated, fitted
from pipeline_src.calibrators.registry import calibrator_class
from pipeline_src.maps.calibrate import counts_and_pixels
from pipeline_src.maps.checks import FolderCounts
from pipeline_src.maps.files import Form, Pair, read_pairs
from pipeline_src.metrics.metric import Difference, with_ends
from pipeline_src.metrics.registry import METRICS

PACKAGE = "@imgly/background-removal-data@1.4.5"
SIDE = 1024
TITLES = {"u2net": "U2-Net", "medium": "IS-Net, 16 bit", "small": "IS-Net, 8 bit"}
FIT = {
    "u2net": "ECSSD, first half",
    "medium": "DUTS-validation",
    "small": "DUTS-validation",
}  # the calibrators
TEST = {"u2net": ("ECSSD, second half", "DTD")} | dict.fromkeys(
    ("medium", "small"), ("ECSSD", "DUTS-held-out", "DTD", "Brodatz")
)
CALIBRATORS = (
    "temperature",
    "platt",
    "beta",
    "isotonic",
    "histogram_binning",
    "image_temperature",
)
SHOWN = ("accuracy", "ece", "brier")
INTRO = """# Published full-size networks

By `python benchmarks/networks/table.py DATA CACHE --images {images}`.
The compute budget limits IS-Net to {images} images of each set, at most: \
those whose names have the smallest SHA-256.
Its calibrators are fitted to as many DUTS validation images.
U2-Net's saved maps cover ECSSD and DTD: \
its calibrators are fitted to half of ECSSD, by the same order.
Whether IS-Net was trained on DUTS is unknown; its accuracy on DUTS suggests it.
Brackets are 95 % confidence intervals over images.

"""


class Data:
    """The test and validation sets of the folder DATA (benchmarks/README.md), unpacked into
    `cache`.

    Attributes:
        images: the most images of each set that IS-Net predicts.
    """

    def __init__(self, folder: Path, cache: Path, images: int):
        self.cache = cache
        self.images = images

        def stems(*splits: str) -> list[str]:
            return [
                stem
                for name in splits
                for stem in (folder / f"splits/{name}.txt").read_text().split()
            ]

        def by_hash(names: list[str]) -> list[str]:
            return sorted(names, key=lambda stem: hashlib.sha256(stem.encode()).digest())

        duts = stems("DUTS-TR-val")
        textures = stems("DTD-official500-subset", "DTD-extra")
        ecssd = by_hash(stems("ECSSD-test"))
        self.sets = {
            "DUTS-validation": ("DUTS-TR", by_hash(duts[:500])),
            "ECSSD": ("ECSSD", ecssd),
            "ECSSD, first half": ("ECSSD", ecssd[:500]),
            "ECSSD, second half": ("ECSSD", ecssd[500:]),
            "DUTS-held-out": ("DUTS-TR", by_hash(duts[500:])),
            "DTD": ("DTD", by_hash(textures)),
            "Brodatz": ("Brodatz", by_hash(stems("Brodatz-test"))),
        }
        archives = [folder / f"archives/{name}.tar" for name, _ in self.sets.values()]
        for parent, tars in (
            ("sets", archives),
            ("maps/u2net", (folder / "predictions/U2Net").glob("*.tar")),
        ):
            for tar in tars:
                if not (cache / parent / tar.stem).exists():
                    with tarfile.open(tar) as archive:
                        archive.extractall(cache / parent / tar.stem, filter="data")

    def pairs(self, network: str, name: str) -> list[Pair]:
        """Return the maps of a network on a set, with their masks."""
        archive, stems = self.sets[name]
        maps = self.cache / "maps" / network
        masks = self.cache / "sets" / archive / "GT"
        if network == "u2net":
            return [
                Pair(stem, maps / archive / f"{stem}.png", masks / f"{stem}.png") for stem in stems
            ]
        return [
            Pair(stem, maps / name / f"{stem}.npy", masks / f"{stem}.png")
            for stem in stems[: self.images]
        ]

    def resampled(
        self, network: str, name: str, calibrator: Calibrator | None = None
    ) -> Measurement:
        """Return the metrics `SHOWN` of a network on a set, calibrated or not, and on resamples."""
        counted = FolderCounts(Form())
        for saved in read_pairs(self.pairs(network, name), Form()):
            if calibrator:
                probability = calibrated(calibrator, saved.probability, saved.logits)
                saved = replace(saved, probability=probability)
            counted.add(saved)
        names = [*SHOWN, METRICS["ece"].decided_by]
        return measure(counted.counts()["raw"], 10, key_of(name), names=names)


def load_network(name: str, cache: Path) -> onnxruntime.InferenceSession:
    """Return a network of `PACKAGE`; resources.json lists the parts of its file."""
    dist = cache / "package/dist"
    if not dist.exists():
        packed = subprocess.run(
            ["npm", "pack", PACKAGE], cwd=cache, check=True, capture_output=True, text=True
        )
        with tarfile.open(cache / packed.stdout.split()[-1]) as archive:
            archive.extractall(cache, filter="data")
    chunks = json.loads((dist / "resources.json").read_text())[f"/models/{name}"]["chunks"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    weights = b"".join((dist / chunk["hash"]).read_bytes() for chunk in chunks)
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def predict(session: onnxruntime.InferenceSession, image: Image.Image) -> np.ndarray:
    """Return the probability of the object, (H, W): the first output, resized to the image."""
    x = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    x = ((x - 128) / 256).transpose(2, 0, 1)[None]
    probability = session.run([session.get_outputs()[0].name], {"input": x})[0][0, 0]
    return np.asarray(
        Image.fromarray(probability).resize(image.size, Image.Resampling.BILINEAR)
    ).clip(0, 1)


def predict_missing(data: Data) -> None:
    """Write the maps that the cache lacks, an image of each set in turn."""
    sessions = {name: load_network(name, data.cache) for name in ("medium", "small")}
    pairs = {
        (key, name): data.pairs(key, name) for key in sessions for name in (FIT[key], *TEST[key])
    }
    for k in range(data.images):
        for (network, _), pair in (
            (key, chosen[k]) for key, chosen in pairs.items() if k < len(chosen)
        ):
            if not pair.map.exists():
                assert pair.mask is not None
                image = Image.open(pair.mask.parents[1] / "Image" / f"{pair.stem}.jpg").convert(
                    "RGB"
                )
                pair.map.parent.mkdir(parents=True, exist_ok=True)
                temporary = pair.map.with_suffix(".part")
                with open(temporary, "wb") as file:
                    np.save(file, predict(sessions[network], image))
                temporary.rename(pair.map)
        print(f"image {k + 1} of each set", flush=True)


def scores(data: Data, network: str) -> Iterator[list[str]]:
    """Yield a row per test set and calibrator (none, or fitted to the images of `FIT`)."""
    _, pixels = counts_and_pixels(data.pairs(network, FIT[network]), Form())
    calibrators = [fitted(calibrator_class(name), pixels) for name in CALIBRATORS]
    for name in TEST[network]:
        for calibrator in (None, *calibrators):
            result = data.resampled(network, name, calibrator)
            ends = result.intervals()
            cells = [
                with_ends(METRICS[metric], result.points[metric][0], ends[metric])
                for metric in SHOWN
            ]
            yield [
                TITLES[network],
                name,
                str(result.units),
                calibrator.name if calibrator else "none",
                *cells,
            ]


def effects(data: Data) -> Iterator[list[str]]:
    """Yield rows of differences: ECE on textures minus ECSSD, and 8-bit minus 16-bit weights."""
    compared = [
        (f"C1, {TITLES[network]}: {name} − ECSSD", (network, name), (network, "ECSSD"), ["ece"])
        for network, name in (("u2net", "DTD"), ("medium", "DTD"), ("medium", "Brodatz"))
    ]
    compared.append(
        ("IS-Net on ECSSD: 8 − 16 bit", ("small", "ECSSD"), ("medium", "ECSSD"), list(SHOWN))
    )
    for title, *sides, metrics in compared:
        after, before = (Measurement.of_runs([0], [data.resampled(*side)]) for side in sides)
        for metric in metrics:
            effect = estimate(metric, (after, 1.0), (before, -1.0))
            assert effect is not None
            number = with_ends(Difference.of(METRICS[metric]), effect.value, effect.interval())
            yield [title, METRICS[metric].title, number, effect.direction or "inconclusive"]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return (
        "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)) + "\n"
    )


def main() -> None:
    """Predict what is missing, and write table.txt."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--images", type=int, default=200)
    arguments = parser.parse_args()
    data = Data(arguments.data, arguments.cache, arguments.images)
    predict_missing(data)
    rows = [row for network in TEST for row in scores(data, network)]
    heads = [
        "network",
        "set",
        "images",
        "calibrator",
        *(METRICS[metric].column for metric in SHOWN),
    ]
    text = INTRO.format(images=arguments.images) + table(
        ["difference", "of", "", "verdict"], effects(data)
    )
    Path(__file__).with_name("table.txt").write_text(
        f"{text}\n{table(heads, rows)}", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
