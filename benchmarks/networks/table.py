"""Evaluate published full-size networks: `python benchmarks/networks/table.py DATA CACHE`.

Predicts with IS-Net (weights of 16 and of 8 bits), fits every calibrator to DUTS validation images, and writes `table.md`
with 95 % confidence intervals over images. U2-Net is evaluated on saved maps. An interrupted command resumes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from pipeline_src.analysis.compare import differences, paired
from pipeline_src.analysis.estimate import Estimate, estimate
from pipeline_src.analysis.resampling import Resampled, key_of, resample_counts
from pipeline_src.calibrators import NAMES
from pipeline_src.calibrators.calibrator import Calibrator, calibrator_class, fitted
from pipeline_src.maps.calibrate import pixels_of
from pipeline_src.maps.counts import count
from pipeline_src.maps.files import Pair
from pipeline_src.metrics.metric import Difference, with_ends
from pipeline_src.metrics.protocol_counts import ProtocolCounts
from pipeline_src.metrics.registry import METRICS

HERE = Path(__file__).parent
PACKAGE = "@imgly/background-removal-data@1.4.5"
NETWORKS = {"u2net": "U2-Net", "medium": "IS-Net, 16 bit", "small": "IS-Net, 8 bit"}
SIDE = 1024
SHOWN = ("accuracy", "ece", "brier")
VALIDATION, TEST = "DUTS-validation", ("ECSSD", "DUTS-held-out", "DTD", "Brodatz")
TEXTURES = ("DTD", "Brodatz")
EIGHT_BIT_SETS = (VALIDATION, "ECSSD")  # on which the network of 8 bits runs, to save compute
INTRO = """# Published full-size networks

By `python benchmarks/networks/table.py DATA CACHE --images {images}`.
Compute limits IS-Net to the first {images} images of each set by name; U2-Net's saved maps cover whole sets.
Calibrators are fitted to {validation} DUTS validation images.
Whether IS-Net was trained on DUTS is not known: its accuracy there suggests it.
Brackets are 95 % confidence intervals over images.

"""


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


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
        self.all_stems = {name: sorted(stems, key=_digest) for name, (_, stems) in sets.items()}
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

    def pairs(self, network: str, name: str) -> list[Pair]:
        """The maps of a network on a set, with their masks."""
        maps, masks = self.cache / "maps" / network / name, self.cache / "sets" / self.archives[name] / "GT"
        saved = network == "u2net"
        stems = self.all_stems[name] if saved else self.stems[name]
        suffix = "png" if saved else "npy"
        return [Pair(s, maps / f"{s}.{suffix}", masks / f"{s}.png") for s in stems]


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
    probability = session.run([session.get_outputs()[0].name], {"input": x})[0][0, 0]
    resized = Image.fromarray(probability).resize(image.size, Image.Resampling.BILINEAR)
    return np.asarray(resized).clip(0, 1)


def predict_all(data: Data) -> None:
    """Write the missing maps, image by image over all sets and networks, so a stopped command has equal shares."""
    sessions = {network: model(network, data.cache) for network in ("medium", "small")}
    for k in range(max(map(len, data.stems.values()))):
        for name, stems in data.stems.items():
            for network, session in sessions.items():
                if k >= len(stems) or (network == "small" and name not in EIGHT_BIT_SETS):
                    continue
                path = data.cache / "maps" / network / name / f"{stems[k]}.npy"
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    temporary = path.with_suffix(".part")
                    with open(temporary, "wb") as file:
                        np.save(file, predict(session, data.image(name, stems[k])))
                    temporary.rename(path)
        print(f"image {k + 1} of each set", flush=True)


def counted(data: Data, network: str, name: str, calibrator: Calibrator | None = None) -> ProtocolCounts:
    """The counts of a network's maps on a set, calibrated or not."""
    pairs = data.pairs(network, name)
    return count(pairs.calibrated(calibrator) if calibrator else pairs).runs()["raw"]


def measured(run: ProtocolCounts, name: str) -> Resampled:
    """The shown metrics, exactly and on resamples of the images of the set `name`."""
    return resample_counts(run, 10, key_of(name), names=[*SHOWN, METRICS["ece"].decided_by])


def scores(data: Data, network: str, name: str, calibrators: Mapping[str, Calibrator]) -> Iterator[list[str]]:
    """A row of each calibrator, and before them one without."""
    for title, calibrator in {"none": None, **calibrators}.items():
        result = measured(counted(data, network, name, calibrator), name)
        ends = result.intervals()
        cells = [with_ends(METRICS[metric], result.points[metric], ends.get(metric)) for metric in SHOWN]
        yield [NETWORKS[network], name, str(result.units), title, *cells]


def fit(data: Data, network: str) -> dict[str, Calibrator]:
    """Every calibrator of two classes, fitted to the validation images."""
    pairs = data.pairs(network, VALIDATION)
    pixels = pixels_of(pairs, None, count(pairs))
    kinds = [kind for kind in map(calibrator_class, NAMES) if kind.classes != "several"]
    return {kind.name: fitted(kind, pixels) for kind in kinds}


def effect_row(title: str, metric: str, effect: Estimate | None) -> list[str]:
    """A difference with its interval, and whether 0 is excluded."""
    assert effect is not None
    number = with_ends(Difference.of(METRICS[metric]), effect.value, effect.interval())
    return [title, METRICS[metric].title, number, effect.direction or "inconclusive"]


def effects(data: Data) -> Iterator[list[str]]:
    """Claim C1 on each network, and the effect of the weights of 8 bits."""
    for network, names in (("u2net", ["DTD"]), ("medium", TEXTURES)):
        on_objects = paired([measured(counted(data, network, "ECSSD"), "ECSSD")])
        for name in names:
            on_textures = paired([measured(counted(data, network, name), name)])
            effect = estimate("ece", (on_textures, 1.0), (on_objects, -1.0))
            yield effect_row(f"C1, {NETWORKS[network]}: {name} − ECSSD", "ece", effect)
    before, after = (counted(data, network, "ECSSD") for network in ("medium", "small"))
    for metric, effect in differences("ECSSD", 10, {0: before}, {0: after}, SHOWN).items():
        yield effect_row("8 − 16 bit on ECSSD", metric, effect)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)) + "\n"


def main() -> None:
    """Predict what is missing, and write table.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--images", type=int, default=200, help="images of each set, the first by name")
    arguments = parser.parse_args()
    data = Data(arguments.data, arguments.cache, arguments.images)
    data.extract()
    predict_all(data)
    rows = [row for name in ("ECSSD", "DTD") for row in scores(data, "u2net", name, {})]
    for network, names in (("medium", TEST), ("small", ["ECSSD"])):
        calibrators = fit(data, network)
        rows += [row for name in names for row in scores(data, network, name, calibrators)]
    heads = ["network", "set", "images", "calibrator", *(METRICS[metric].column for metric in SHOWN)]
    text = INTRO.format(images=arguments.images, validation=len(data.stems[VALIDATION]))
    text += table(["difference", "of", "[95 % interval]", "verdict"], effects(data)) + "\n" + table(heads, rows)
    (HERE / "table.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
