"""The gallery of saved maps: the worst, median and best calibrated images with their errors.

It can show the original image of each map as well, from a folder of pictures with the same
stems (names without the suffix).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline_src.counting.counts import Counts
from pipeline_src.files import reading
from pipeline_src.labels import IGNORED
from pipeline_src.maps.files import MASK_SUFFIXES, Form, Pair, check_files, files_by_stem, read_pair
from pipeline_src.metrics.image_inputs import per_image


def pictures_of(pairs: Sequence[Pair], folder: Path) -> dict[str, Path]:
    """Return the file of each image in `folder` by stem, JPEG files included.

    Raises:
        UserError: names the maps without such a file, and files that are no pictures.
    """
    files = files_by_stem(folder, MASK_SUFFIXES)
    problems = []
    for pair in pairs:
        try:
            Image.open(files[pair.stem]).close()  # reads the header
        except (KeyError, OSError) as error:
            problems.append(f"{pair.map}: no picture in {folder} ({error})")
    check_files(problems)
    return files


def draw_gallery(
    pairs: Sequence[Pair],
    raw: Counts,
    *,
    form: Form,
    pictures: dict[str, Path],
    name: str,
    out: Path,
) -> None:
    """Write gallery.png, .svg, .pdf and .csv of maps into the folder `out`.

    Args:
        pairs: maps and masks, in the order of their stems.
        raw: counts of the maps as they are, with a row per pair.
        form: of all maps.
        pictures: the file of each pair's image by stem; empty if images are not shown.
        name: of the model.
    """
    from pipeline_src.figures import gallery, style  # matplotlib

    predictions = []
    # Images are chosen by abs(mean confidence - accuracy).
    for place, rank in gallery.choose(np.abs(per_image(raw)["gap"])).items():
        pair = pairs[place]
        sample = read_pair(pair, form).sample
        # The gallery knows one label of pixels that do not count, maps of K classes use K.
        target = np.where(sample.target == sample.ignore, IGNORED, sample.target)
        image = None
        if pictures:
            path = pictures[pair.stem]
            with reading(f"{path} cannot be read"), Image.open(path) as picture:
                colors = picture.convert("RGB")
                if picture.mode.startswith("I"):  # 16 bits, of which `convert` keeps up to 255
                    colors = picture.convert("I").point(lambda value: value / 257).convert("RGB")
                image = np.asarray(colors)
        predictions.append(
            gallery.Prediction(rank, pair.stem, image, target, {name: sample.probability})
        )
    with style.house():
        figure, table = gallery.draw(
            predictions, f"Predictions of {name}", [f"images of {gallery.CHOICE}"]
        )
        style.save_picture(out / "gallery", figure, table)
