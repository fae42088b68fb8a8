"""Which features of an image should its temperature depend on? Decided on development images (docs/protocol.md, 7).

export ASLP_DOWNLOADS=PATH
snakemake --cores all --config experiment=development
python benchmarks/image_conditional.py >benchmarks/image_conditional.txt
python benchmarks/image_conditional.py --page    # an excerpt of the table into docs/evidence.md

Every candidate is fitted to the validation images, as a post-hoc method is, and scored on photographs that no other
part uses, on the same with a corruption each, and on crops of them without an object. No test set is read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline_src.calibrators.calibrator import nll, uncalibrated
from pipeline_src.calibrators.image_temperature import ImageTemperatureCalibrator
from pipeline_src.calibrators.pixels import FEATURES, Pixels, joined
from pipeline_src.calibrators.temperature import TemperatureCalibrator
from pipeline_src.data.null_images import NullImages
from pipeline_src.data.store import Store
from pipeline_src.pipeline import networks
from pipeline_src.pipeline.jobs import chosen
from pipeline_src.prediction.corruptions import CORRUPTIONS, corrupted
from pipeline_src.training.batches import evaluation_batches
from pipeline_src.training.calibrated import pixels_of

PIXELS = 1000  # of an image, about
NULL = 0.4  # share of the weight that null images have where they are among the fitted ones
MOST = 3  # parameters beside that of temperature scaling
GROUPS = ("photographs", "corrupted", "null")
ALONE = ("temperature", "entropy", "foreground", "margin", "peak")
SHOWN = ("nothing", *ALONE, "peak + shape", *(f"{name}, null images" for name in ALONE))


class Candidate(NamedTuple):
    features: tuple[str, ...] = ()
    shape: bool = False
    null: bool = False

    def __str__(self) -> str:
        parts = [*self.features, *(["shape"] if self.shape else [])]
        return (" + ".join(parts) or "temperature") + (", null images" if self.null else "")


class Corrupted(Store):
    """Each image with one corruption: the kinds in turn, and so their severities."""

    def __init__(self, folder):
        super().__init__(folder)
        kinds = list(product(range(1, 6), CORRUPTIONS))
        clean = self.images
        self.images = [corrupted(clean[i], name, *kinds[i % len(kinds)][::-1]) for i, name in enumerate(self.ids)]


def page() -> None:
    """Write the rows `SHOWN` of the baseline, as image_conditional.txt has them, into docs/evidence.md."""
    lines = Path(__file__).with_suffix(".md").read_text(encoding="utf-8").splitlines()
    cells = {row[1].strip(" °"): row for row in (line.split("|") for line in lines if line.startswith("|"))}
    table = [f"| {' | '.join(['fitted', *GROUPS])} |", "|---" * (1 + len(GROUPS)) + "|"]
    table += [f"| {name} |{'|'.join(cells[name][3 : 3 + len(GROUPS)])}|" for name in SHOWN]
    file, marks = Path("docs/evidence.md"), ("<!-- image_conditional -->", "<!-- end of image_conditional -->")
    before, rest = file.read_text(encoding="utf-8").split(marks[0])
    after = rest.split(marks[1])[1]
    file.write_text("\n".join([before + marks[0], *table, marks[1] + after]), encoding="utf-8")


def candidates() -> list[Candidate]:
    return [
        Candidate(features, shape, null)
        for number in range(MOST + 1)
        for features in combinations(FEATURES, number)
        for shape, null in product((False, True), (False, True))
        if number + shape <= MOST
    ]


def scores(f: np.ndarray, pixels: Pixels) -> tuple[float, float, float]:
    """(NLL in nats, Brier score, ECE in ten bins of the top label) of pixels with the probabilities f (N, 1)."""
    share = pixels.weights / pixels.weights.sum()
    p, y = f[:, 0], pixels.labels
    confidence, right = np.maximum(p, 1 - p), (p >= 0.5) == y
    gaps = np.bincount(np.ceil(confidence * 10).astype(int), share * (confidence - right), minlength=11)
    return nll(f, pixels), float(share @ (p - y) ** 2), float(np.abs(gaps).sum())


def groups(network, part: Store, changed: Store, experiment) -> Iterator[Pixels]:
    """The pixels of each of `GROUPS`."""
    device, size = network.mean.device, sum(row.height * row.width for row in part.index)
    share = min(1, PIXELS * len(part) / size)
    for batches in (
        evaluation_batches(part, experiment, device),
        evaluation_batches(changed, experiment, device),
        evaluation_batches(NullImages(part), experiment, device),
    ):
        yield pixels_of(network, batches, share)


def main() -> None:
    graph = chosen("development")
    unused = graph.job("store/unused").folder
    held_out, changed = Store(unused), Corrupted(unused)
    table: dict[tuple[str, Candidate | None], list[np.ndarray]] = {}
    for method, seed in (run for run in graph.runs if graph.posthoc(run[0])):
        job = graph.job(f"train/{method}/seed{seed}")
        (network,), settings, of = networks.load(job), networks.settings(job), graph.posthoc(method).of
        val = Store(graph.job("store/val").folder)
        photographs, _, null = (pixels.grouped() for pixels in groups(network, val, val, settings))
        both = joined([photographs, null.weighted(photographs.weights.sum() * NULL / (1 - NULL))])
        scored = [pixels.grouped() for pixels in groups(network, held_out, changed, settings)]
        table.setdefault((of, None), []).append(np.array([scores(uncalibrated(p), p) for p in scored]))
        for candidate in candidates():
            pixels = both if candidate.null else photographs
            if candidate == Candidate():
                calibrator = TemperatureCalibrator.fit(pixels.pooled())
            else:
                calibrator = ImageTemperatureCalibrator.fit(pixels, features=candidate.features, shape=candidate.shape)
            table.setdefault((of, candidate), []).append(np.array([scores(calibrator.of_pixels(p), p) for p in scored]))
        print(f"{of} seed {seed}", file=sys.stderr)
    show(table)


def show(table: dict[tuple[str, Candidate | None], list[np.ndarray]]) -> None:
    """One row per candidate: means over seeds of NLL, Brier score and ECE, by method and group; and what the rule of
    docs/protocol.md chooses."""
    methods = list(dict.fromkeys(of for of, _ in table))
    columns = [f"{of}, {group}" for of in methods for group in GROUPS]
    print(f"NLL / Brier % / ECE %, means over {len(table[methods[0], None])} seeds\n")
    print(f"| fitted | mean NLL | {' | '.join(columns)} |\n|---{'|---' * (len(columns) + 1)}|")
    means = {key: np.mean(values, axis=0) for key, values in table.items()}
    plain = np.array([means[of, Candidate()] for of in methods])
    best = None
    rows = [(np.array([means[of, c] for of in methods]), c) for c in [None, *candidates()]]
    for values, candidate in sorted(rows, key=lambda row: row[0][..., 0].mean()):
        allowed = candidate is not None and (values[..., 1] <= plain[..., 1]).all()
        if allowed and best is None:
            best = candidate
        cells = [f"{n:.4f} / {100 * b:.2f} / {100 * e:.2f}" for n, b, e in values.reshape(-1, 3)]
        name = "nothing" if candidate is None else str(candidate)
        mark = "" if allowed or candidate is None else " °"
        print(f"| {name}{mark} | {values[..., 0].mean():.4f} | {' | '.join(cells)} |")
    print(f"\n° has a Brier score above temperature scaling's somewhere. Chosen: {best}.")


if __name__ == "__main__":
    page() if sys.argv[1:] == ["--page"] else main()
