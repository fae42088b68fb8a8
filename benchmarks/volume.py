"""Measure time and memory of one volume, its uncompressed NIfTI files read from disk.

    python benchmarks/volume.py [--size 512] [--rounds 3]

In each round `judge` and a program that only reads both files run once, in turn, each in a process
of one thread. Times are those of the processor. The memory is the peak above that of `judge` with a
volume of 8 voxels a side. Voxels are random.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}

import numpy as np  # after the number of threads is set

PEAK = 1 if sys.platform == "darwin" else 1024  # bytes of a unit of `ru_maxrss`


def write(folder: Path) -> None:
    """Write maps/case.nii, float32, and masks/case.nii, uint8; the folder's name is the number of
    voxels a side.
    """
    import nibabel

    size = int(folder.name)
    generator = np.random.default_rng(0)
    maps = generator.random((size, size, size), dtype=np.float32)
    masks = (generator.random(maps.shape, dtype=np.float32) < maps).view(np.uint8)
    for name, values in (("maps", maps), ("masks", masks)):
        (folder / name).mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), folder / name / "case.nii")


def judge(folder: Path) -> None:
    """Evaluate the maps in a folder that `write` wrote, without resamples."""
    from pipeline_src.maps.judge import judge_folder

    judge_folder(folder / "maps", folder / "masks", "net", folder / "judged", resamples=0)


def read(folder: Path) -> None:
    """Read both files, and each voxel once: no program can be faster."""
    import nibabel

    for name in ("maps", "masks"):
        np.asanyarray(nibabel.Nifti1Image.from_filename(folder / name / "case.nii").dataobj).max()


PROGRAMS = {"judge": judge, "read": read, "write": write}


def measured(program: str, folder: Path) -> tuple[float, float]:
    """Return seconds of the processor and the peak memory in bytes of a program's process."""
    words = [sys.executable, __file__, "--program", program, "--folder", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def run(program: str, folder: Path) -> None:
    """Run a program in this process, and print its seconds and its peak memory."""
    PROGRAMS[program](folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, PEAK * used.ru_maxrss)


def table(size: int, rounds: int, folder: Path) -> list[str]:
    """Return the lines of the table, measured."""
    case = folder / str(size)
    empty = folder / "8"
    for written in (case, empty):
        measured("write", written)  # in a process of its own, since peaks are inherited
    start, base = measured("judge", empty)
    numbers = np.empty((rounds, 2, 2))
    for row in numbers:
        row[0] = measured("judge", case)
        row[1] = measured("read", case)
    seconds, peaks = numbers.min(axis=0).T
    ratios = numbers[:, 0, 0] / numbers[:, 1, 0]
    bytes_of_case = 8 * size**3  # of a map and its mask in float32
    return [
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, {size} voxels a side, {rounds} rounds.",
        "",
        "| | processor time, minimum (median) | aim |",
        "|---|---:|---:|",
        f"| `judge` | {seconds[0]:.1f} ({np.median(numbers[:, 0, 0]):.1f}) s | ≤ 10 s |",
        f"| `judge` of 8 voxels a side | {start:.1f} s | |",
        f"| both files read | {seconds[1]:.1f} ({np.median(numbers[:, 1, 0]):.1f}) s | |",
        f"| `judge` / read | {np.median(ratios):.1f} | |",
        f"| peak memory above 8 voxels a side | {(peaks[0] - base) / 1e6:.0f} MB | "
        f"≤ {bytes_of_case / 1e6 + 200:.0f} MB |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", choices=list(PROGRAMS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.program:
        run(arguments.program, arguments.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(table(arguments.size, arguments.rounds, Path(folder))))


if __name__ == "__main__":
    main()
