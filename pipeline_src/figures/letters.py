"""The font of figures: DejaVu Sans, which comes with matplotlib, cut down to the letters and signs that they have.

Every PDF embeds what it uses of its fonts. To take that from all of DejaVu Sans, with 6,000 glyphs and the tables that
compose text, was a third of the time of a figure.
"""

from __future__ import annotations

import atexit
import os
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from pipeline_src.files import atomic

# Latin and Greek; punctuation, arrows and signs of formulas. What else a name has comes from DejaVu Sans itself.
CHARACTERS = [*range(0x20, 0x400), *range(0x2000, 0x2300)]


@cache
def _folder() -> Path:
    """A folder for this process, which removes it as it ends; those that it forks leave it alone."""
    folder, process = Path(mkdtemp()), os.getpid()

    @atexit.register
    def remove() -> None:
        if os.getpid() == process:
            shutil.rmtree(folder, ignore_errors=True)

    return folder


def add_font() -> None:
    """Make the font known to matplotlib as "Figure Sans". Where its files vanished, as what clears /tmp of old files
    does to a long run, they are made again."""
    for weight in ("normal", "bold"):
        if not (file := _folder() / f"{weight}.ttf").exists():
            _cut(weight, file)


def _cut(weight: str, file: Path) -> None:
    from fontTools import subset
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    # The old table of kerning holds the same pairs as GPOS and is quickly read.
    tables = ["FFTM", "GDEF", "GPOS", "GSUB", "MATH"]
    options = subset.Options(drop_tables=tables, legacy_kern=True, notdef_outline=True)
    font = subset.load_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)), options)
    cut = subset.Subsetter(options)
    cut.populate(unicodes=CHARACTERS)
    cut.subset(font)
    for record in font["name"].names:
        record.string = record.toUnicode().replace("DejaVu", "Figure")
    with atomic(file) as unfinished:
        font.save(unfinished)
    fontManager.addfont(file)
