"""Size and error of compact statistics: `python benchmarks/compact_statistics.py FILE.npz...`, as `evaluate` writes.

Prints bytes per image in both forms, and of each metric how far its value moves, and the ends of its interval as a
share of the interval's width.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline_src.analysis.resampling import resample
from pipeline_src.counting.loading import by_protocol, load, save_compact

BINS, KEY = 10, 7


def main(files: list[str]) -> None:
    """Print a block of lines per file."""
    for file in map(Path, files):
        whole = load(file)
        with TemporaryDirectory() as folder:
            small = Path(folder) / "compact.npz"
            save_compact(whole, small, BINS)
            size, compact = small.stat().st_size, load(small)
        images = len(by_protocol(whole)["raw"].rows)
        print(f"{file}: {file.stat().st_size / images:.0f} -> {size / images:.1f} bytes an image ({images} images)")
        ours = resample(compact, BINS, KEY)
        for protocol, of in resample(whole, BINS, KEY).items():
            shown = ours[protocol].intervals()
            for name, ends in of.intervals().items():
                if ends and (width := ends[1] - ends[0]):
                    moved = max(abs(a - b) for a, b in zip(ends, shown[name], strict=True)) / width
                    shift = ours[protocol].points[name] - of.points[name]
                    print(f"  {protocol:9} {name:22} {of.points[name]:9.6f} {shift:+.1e}  ends {100 * moved:4.1f} %")


if __name__ == "__main__":
    main(sys.argv[1:])
