"""Calibrators on U2-Net's maps of ECSSD: half of the images fitted, half scored. Prints the table of docs/calibrate.md.

ASLP_DOWNLOADS=... python benchmarks/calibrators.py
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from pipeline_src.calibrators.files import CALIBRATORS
from pipeline_src.judging.calibration import calibrate_folder
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


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        where = halves(folder)
        chosen = calibrate_folder(**where, out=folder / "auto", resamples=0)
        rows = {"as they are": (None, {key: of["before"] for key, of in chosen["scores"].items()})}
        for method in (name for name in CALIBRATORS if name != "dirichlet"):
            result = calibrate_folder(**where, out=folder / method, method=method, resamples=0)
            scores = {key: of["after"] for key, of in result["scores"].items()}
            rows[f"`{method}`"] = (chosen["cross_validated_nll"][method], scores)
    print("| calibrator | cross-validated NLL | ECE % | Brier % | AUGRC % | NLL | accuracy % |")
    print("|---|---|---|---|---|---|---|")
    for title, (likelihood, of) in rows.items():
        held_out = "" if likelihood is None else f"{likelihood:.4f}"
        percent = (f"{100 * of[key]:.2f}" for key in ("ece", "brier", "augrc"))
        print(f"| {title} | {held_out} | {' | '.join(percent)} | {of['nll']:.4f} | {100 * of['accuracy']:.2f} |")
    print(f"\n`auto` chooses `{chosen['method']}`.")


if __name__ == "__main__":
    main()
