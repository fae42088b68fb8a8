"""What counting the regions of masks adds to evaluation: milliseconds and bytes per image.

    python benchmarks/region_pass.py [--images 200]

Discs with soft borders, 400 x 300 pixels, float32 maps; one thread.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import cv2
import numpy as np

from pipeline_src.counting.image_pixels import REGIONS
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.whole_maps import EVALUATED_MEASURES, whole_map_measures


def made(images: int):
    """Map, mask and name of each image."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:300, :400]
    for number in range(images):
        inside = generator.uniform(40, 110) - np.hypot(y - 150, x - 200)
        logit = inside / 8 + generator.normal(0, 0.5, inside.shape)
        yield (1 / (1 + np.exp(-logit))).astype(np.float32), (inside > 0).astype(np.uint8), f"{number:05d}"


def main(images: int) -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    statistic, with_regions = MapCounts.empty(), MapCounts.empty(regions=REGIONS)
    passes = {
        "statistic": lambda f, y, name: statistic.add(f, y, name),
        "with regions": lambda f, y, name: with_regions.add(f, y, name),
        "S and E": lambda f, y, name: whole_map_measures(f, y, EVALUATED_MEASURES),
    }
    seconds = dict.fromkeys(passes, 0.0)
    for image in made(images):
        for name, run in passes.items():
            started = time.process_time()
            run(*image)
            seconds[name] += time.process_time() - started
    for name, total in seconds.items():
        print(f"{name:<12}{1000 * total / images:6.1f} ms/image")
    with tempfile.TemporaryDirectory() as folder:
        for name, counted in {"without": statistic, "with regions": with_regions}.items():
            counted.save(Path(folder) / "statistic.npz", {})
            print(f"{name:<12}{os.path.getsize(Path(folder) / 'statistic.npz') / images:6.0f} bytes/image")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    main(parser.parse_args().images)
