"""Calibrators on U2-Net's maps of ECSSD: half of the images fitted, half scored. Prints the table of docs/calibrate.md.

In brackets: 95 % intervals over the scored images; ° marks an ECE below its noise floor.

ASLP_DOWNLOADS=... python benchmarks/calibrators.py
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from pipeline_src.calibrators.files import CALIBRATORS
from pipeline_src.maps.calibrate import calibrate_folder
from pipeline_src.maps.judge import judge_folder
from pipeline_src.metrics.metric import with_ends
from pipeline_src.metrics.registry import METRICS
from pipeline_src.params.load import downloads, read


def halves(folder: Path) -> dict[str, Path]:
    """The maps and masks of both halves in `folder`, by the names that `calibrate_folder` gives to them."""
    for archive, prefix, name in (("predictions/U2Net/ECSSD.tar", "", "maps"), ("archives/ECSSD.tar", "GT/", "masks")):
        path = downloads(read()) / archive
        if not path.is_file():
            sys.exit(f"{path} is not here: name the folder of downloads, as in ASLP_DOWNLOADS=PATH (docs/data.md)")
        with tarfile.open(path) as packed:
            members = [m for m in packed.getmembers() if m.isfile() and m.name.removeprefix("./").startswith(prefix)]
            names = sorted(Path(m.name).name for m in members)
            fitted = {names[i] for i in np.random.default_rng(0).permutation(len(names))[: len(names) // 2]}
            for member in members:
                target = folder / ("fitted" if Path(member.name).name in fitted else "scored") / name
                target.mkdir(parents=True, exist_ok=True)
                (target / Path(member.name).name).write_bytes(packed.extractfile(member).read())
    return {
        "pred": folder / "fitted/maps",
        "mask": folder / "fitted/masks",
        "apply": folder / "scored/maps",
        "test_mask": folder / "scored/masks",
    }


COLUMNS = ("ece", "ece_floor", "brier", "augrc", "nll", "accuracy")


def row(title: str, held_out: str, judged: dict) -> str:
    """Values with their intervals; an ECE below its noise floor has a mark."""
    values, ends = judged["raw"], judged["intervals"]["raw"]
    cells = [with_ends(METRICS[name], values[name], ends[name]) for name in COLUMNS]
    if values["ece"] < values["ece_floor"]:
        cells[0] = cells[0].replace(" ", "° ", 1)
    cells[1] = METRICS["ece_floor"].number(values["ece_floor"])
    return f"| {' | '.join([title, held_out, *cells])} |"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        where = halves(folder)
        chosen = calibrate_folder(**where, out=folder / "auto", resamples=0)
        headings = ["calibrator", "cross-validated NLL", *(METRICS[name].column for name in COLUMNS)]
        print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
        for method in (None, *(name for name in CALIBRATORS if name != "dirichlet")):
            if method:
                calibrate_folder(**where, out=folder / method, method=method, resamples=0)
            judged = judge_folder(
                *(where["apply"], where["test_mask"], method or "maps", folder / f"judged-{method}"),
                protocols=("raw",),
                whole=False,
                calibrator=folder / method / "calibrator.json" if method else None,
            )
            held_out = chosen["cross_validated_nll"][method] if method else chosen["nll_as_they_are"]
            print(row(f"`{method}`" if method else "as they are", f"{held_out:.4f}", judged))
    print(f"\n`auto` chooses `{chosen['method']}`.")


if __name__ == "__main__":
    main()
