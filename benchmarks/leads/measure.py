"""What label perturbation by region and by confidence gives on development images.

snakemake --cores all --config experiment=evidence data_root=PATH -- models
snakemake --cores all --config experiment=development data_root=PATH -- data
ASLP_DOWNLOADS=PATH python benchmarks/leads/measure.py >benchmarks/leads/numbers.txt

Everything is fitted to the validation images and scored on photographs that no other part uses, on the same with a
corruption each, and on crops of them without an object, as in benchmarks/image_conditional.py. No test set is read.
Pixels are kept in results/leads: remove them to predict again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from levels import BANDS, EDGES, FITS, LOOPS, Sample, band, distance, excess, total
from scipy.special import expit

sys.path.append(str(Path(__file__).parents[1]))
from image_conditional import GROUPS, Corrupted, scores

from pipeline_src.calibrators.pixels import Pixels
from pipeline_src.data.null_images import NullImages
from pipeline_src.data.store import Store
from pipeline_src.pipeline import networks
from pipeline_src.pipeline.jobs import chosen
from pipeline_src.prediction.predict import load
from pipeline_src.rng import generator
from pipeline_src.training.batches import evaluation_batches
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.methods.aslp_cl import ASLPCL
from pipeline_src.training.pixels import upsampled

SEED = 0
PIXELS = 2000  # of an image
RESULTS = Path("results/leads")
SIMULATED = ("baseline", "aslp_cl", "aslp_groups")
GAIN, LAST = ASLPCL().gain, 20
TEXT = f"""# Exploratory results

[evidence.md](../../docs/evidence.md#tried-did-not-work) says what they show. `python benchmarks/leads/temperatures.py`
refits temperatures from the published counts ([table](temperatures.txt)).
All below is of seed {SEED}, by `python benchmarks/leads/measure.py`.

By distance to a border, in pixels of the network's images, on the validation images: share of the pixels / accuracy /
confidence minus accuracy, in %:

{{bands}}

Levels s at which loops would rest on the validation images, in %, from the border outwards and by rising confidence:

{{levels}}

Fitted to the validation images, scored on development images: NLL / Brier % / ECE %:

{{scores}}

Accuracy / confidence minus accuracy, in %:

{{right}}

Standard deviation of the gap that closed loops saw after each of the last {LAST} epochs, in %: {{noise}}."""


def samples(network: DenseClassifier, store: Store, settings) -> Sample:
    """PIXELS of each image of a store, drawn by its id."""
    rows = []
    for batch in evaluation_batches(store, settings, network.mean.device):
        with torch.inference_mode():
            logits = network(batch["inputs"])
        for z, truth, name in zip(logits, batch["truth"], batch["id"], strict=True):
            z = upsampled(z[None], truth.shape)[0, 0].cpu().numpy()
            drawn = generator(name, "leads").choice(z.size, min(PIXELS, z.size), replace=False)
            weight = np.full(z.shape, z.size / len(drawn))
            maps_of_image = z, truth, weight, *(distance(of, settings.image_size) for of in (truth == 1, z >= 0))
            rows.append([values.ravel()[drawn].astype(np.float64) for values in maps_of_image])
    z, y, w, *distances = np.concatenate(rows, axis=1)
    return Sample(z, y, w / w.sum(), *distances)


def kept(name: str, file: Path, settings) -> dict[str, Sample]:
    """The samples of a network, by group; of the validation images as `fitted`."""
    graph, folder = chosen("development"), RESULTS / "pixels" / name
    val, unused = (graph.job(f"store/{part}").folder for part in ("val", "unused"))
    held_out = Store(unused)
    stores = {"fitted": Store(val)} | dict(
        zip(GROUPS, (held_out, Corrupted(unused), NullImages(held_out)), strict=True)
    )
    folder.mkdir(parents=True, exist_ok=True)
    network = load(file, settings)
    for group, store in stores.items():
        if not (folder / f"{group}.npz").exists():
            np.savez(folder / f"{group}.npz", **samples(network, store, settings)._asdict())
    return {group: Sample(**np.load(folder / f"{group}.npz")) for group in stores}


def cell(f: np.ndarray, sample: Sample) -> str:
    pixels = Pixels(sample.z[:, None], sample.y.astype(int), sample.w, np.zeros(len(f), int), np.zeros((1, 0)))
    nll, brier, ece = scores(f[:, None], pixels)
    return f"{nll:.4f} / {100 * brier:.2f} / {100 * ece:.2f}"


def right(networks: dict[str, dict[str, Sample]]) -> Iterator[list[str]]:
    for name, groups in networks.items():
        gaps = [of.w @ excess(expit(of.z), of) for of in groups.values()]
        shares = [of.w @ ((of.z >= 0) == (of.y == 1)) for of in groups.values()]
        yield [name, *(f"{100 * share:.2f} / {100 * gap:+.2f}" for share, gap in zip(shares, gaps, strict=True))]


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def by_band(networks: dict[str, dict[str, Sample]]) -> Iterator[list[str]]:
    """Share of the validation pixels, accuracy and gap in each band."""
    names = [f"{low:g} to {high:g} px" for low, high in pairwise((0, *EDGES))] + [f"from {EDGES[-1]:g} px"]
    for which in ("labelled", "predicted"):
        for number, name in enumerate(names):
            row = [f"{name}, border {'of the mask' if which == 'labelled' else 'as predicted'}"]
            for groups in networks.values():
                of = groups["fitted"]
                bands = band(getattr(of, which))
                share, right, gap = (
                    total(bands, values, BANDS)[number]
                    for values in (of.w, of.w * ((of.z >= 0) == (of.y == 1)), of.w * excess(expit(of.z), of))
                )
                row.append(f"{100 * share:.0f} / {100 * right / share:.1f} / {100 * gap / share:+.1f}")
            yield row


def scored(networks: dict[str, dict[str, Sample]]) -> Iterator[list[str]]:
    for name, groups in networks.items():
        for fit, fitted in FITS.items():
            of = fitted(groups["fitted"])
            yield [name, fit, *(cell(of(groups[group]), groups[group]) for group in GROUPS)]


def levels(networks: dict[str, dict[str, Sample]]) -> Iterator[list[str]]:
    for name, of in LOOPS.items():
        rests = [of(groups["fitted"]).rest(groups["fitted"]) for groups in networks.values()]
        yield [name, *(", ".join(f"{100 * level:.0f}" for level in rest) for rest in rests)]


def noise(history: Path) -> str:
    """Standard deviation in % of the gap that moved the mark after each of the last epochs."""
    mark = pd.read_csv(history)["mark"]
    return f"{100 * (mark.diff() / GAIN)[-LAST:].std():.2f}"


def main() -> None:
    graph = chosen("evidence")
    settings = networks.settings(graph.job(f"train/baseline/seed{SEED}"))
    runs = {name: graph.job(f"train/{name}/seed{SEED}").folder for name in SIMULATED}
    trained = {name: kept(name, folder / "model.safetensors", settings) for name, folder in runs.items()}
    histories = {name: folder / "history.csv" for name, folder in runs.items()}
    closed = {name: history for name, history in histories.items() if "mark" in history.read_text()}
    print(
        TEXT.format(
            bands=table(["band", *trained], by_band(trained)),
            levels=table(["levels", *trained], levels(trained)),
            scores=table(["network", "fitted", *GROUPS], scored(trained)),
            right=table(["network", "validation", *GROUPS], right(trained)),
            noise="; ".join(f"{name} {noise(history)}" for name, history in closed.items()),
        )
    )


if __name__ == "__main__":
    main()
