"""The font of figures: DejaVu Sans, which comes with matplotlib, cut down to the letters and signs that they have.

Every PDF embeds what it uses of its fonts. To take that from all of DejaVu Sans, with 6,000 glyphs and the tables that
compose text, was a third of the time of a figure.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

# Latin and Greek; punctuation, arrows and signs of formulas. What else a name has comes from DejaVu Sans itself.
CHARACTERS = [*range(0x20, 0x400), *range(0x2000, 0x2300)]


@cache
def add_font() -> TemporaryDirectory:
    """Make the font known to matplotlib as "Figure Sans"; its files are there as long as this process."""
    from fontTools import subset
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    folder = TemporaryDirectory()
    for weight in ("normal", "bold"):
        # The old table of kerning holds the same pairs as GPOS and is quickly read.
        tables = ["FFTM", "GDEF", "GPOS", "GSUB", "MATH"]
        options = subset.Options(drop_tables=tables, legacy_kern=True, notdef_outline=True)
        font = subset.load_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)), options)
        cut = subset.Subsetter(options)
        cut.populate(unicodes=CHARACTERS)
        cut.subset(font)
        for record in font["name"].names:
            record.string = record.toUnicode().replace("DejaVu", "Figure")
        file = Path(folder.name) / f"{weight}.ttf"
        font.save(file)
        fontManager.addfont(file)
    return folder
