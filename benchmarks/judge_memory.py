"""Peak memory of `judge` over N small 8-bit maps, to see that it does not grow with N.

    python benchmarks/judge_memory.py 100 20000 100000

The maps (16 x 16) and masks are hard links to a few files under N stems, in a temporary folder. `judge` runs in a
process of its own with 1,000 resamples, both protocols and without whole-map metrics, whose workers have memory of
their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

FILES = 40  # that differ
JUDGE = """
import json, resource, sys
from pathlib import Path
from pipeline_src.maps.judge import judge_folder
folder = Path(sys.argv[1])
judge_folder(folder / "maps", folder / "masks", "made up", folder / "out", whole=False, diagrams=True)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""


def made(folder: Path, images: int) -> None:
    """`images` maps and masks in `folder`/maps and /masks."""
    rng = np.random.default_rng(0)
    for name in ("maps", "masks", "files"):
        (folder / name).mkdir()
    for k in range(FILES):
        z = rng.normal(0, 3, (16, 16))
        cv2.imwrite(str(folder / f"files/{k}-maps.png"), np.uint8(255 / (1 + np.exp(-1.5 * z))))
        cv2.imwrite(str(folder / f"files/{k}-masks.png"), np.uint8(rng.random(z.shape) < 1 / (1 + np.exp(-z))) * 255)
    for k in range(images):
        for name in ("maps", "masks"):
            # a file system allows some 65,000 links to a file
            os.link(folder / f"files/{k % FILES}-{name}.png", folder / name / f"image-{k:07d}.png")


def main() -> None:
    for images in map(int, sys.argv[1:] or ["100", "20000", "100000"]):
        with tempfile.TemporaryDirectory() as name:
            made(Path(name), images)
            start = time.perf_counter()
            done = subprocess.run([sys.executable, "-c", JUDGE, name], capture_output=True, text=True, check=True)
            seconds = time.perf_counter() - start
            peak = json.loads(done.stdout.splitlines()[-1])
        print(f"{images:>8,} maps: peak {peak:.0f} MB, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
