"""Image files to predict, in the form of a store: decoded and resized when they are read."""

from __future__ import annotations

import glob
import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline_src.data import image_io
from pipeline_src.data.image_io import UPRIGHT, UnreadableImageError, read_header
from pipeline_src.data.lookup import IMAGE_SUFFIXES
from pipeline_src.data.pairing import walk
from pipeline_src.errors import UserError, listed
from pipeline_src.files import content

log = logging.getLogger(__name__)


class ImageFile(NamedTuple):
    """An image, and the name of its map: its place below the folder of images, without a suffix."""

    path: Path
    name: str


def find_images(images: str) -> list[ImageFile]:
    """Find the images of a folder, at any depth, or those that a pattern such as `photos/*.jpg` matches, by name.

    Raises:
        UserError: there are none, or two would have the same map.
    """
    folder = Path(images)
    if folder.is_dir():
        top, paths = folder, [*walk(folder)]
    elif folder.exists():  # whose name may look like a pattern
        top, paths = folder.parent, [folder]
    else:  # the folder above the first part with a wildcard
        top = next((path for path in folder.parents if not glob.has_magic(str(path))), Path())
        paths = [path for name in glob.glob(images, recursive=True) if not (path := Path(name)).is_dir()]
    image_paths = sorted(path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES)
    if not image_paths:
        raise UserError(
            f"--images {images}: there are no images",
            found=f"{len(paths)} files of other kinds" if paths else f"nothing in {folder.absolute()}",
            expected=f"a folder, or a pattern in quotes as 'photos/*.jpg': {', '.join(sorted(IMAGE_SUFFIXES))}",
            fix="correct the path" + (", or put images into the folder" if folder.is_dir() else ""),
        )
    if skipped := len(paths) - len(image_paths):
        log.info("--images %s: %d files of other kinds are skipped", images, skipped)
    by_name = defaultdict(list)
    for path in image_paths:
        by_name[path.relative_to(top).with_suffix("").as_posix()].append(path)
    if shared := [", ".join(map(str, several)) for several in by_name.values() if len(several) > 1]:
        raise UserError(
            f"--images {images}: images would have the same map{listed(shared)}",
            expected="one image of each name, regardless of its suffix",
            fix="rename them, or choose by a pattern: --images 'DIR/*.png'",
        )
    return [ImageFile(path, name) for name, (path,) in by_name.items()]


def check_images(files: Sequence[ImageFile], pixels: int) -> None:
    """Read the headers of all images.

    Raises:
        UserError: names all that cannot be used.
    """
    problems, turned = [], []
    for file in files:
        try:
            header = read_header(content(file.path), pixels, "raise --max-pixels")
            header.check_single()
            if header.bits > 16:  # OpenCV makes no colors of these
                raise UnreadableImageError(f"has values of {header.bits} bits")
            turned += [file.path] if header.orientation != UPRIGHT else []
        except (OSError, UnreadableImageError) as error:
            problems.append(f"{file.path} {error}")
    if problems:
        raise UserError(
            f"{len(problems)} of {len(files)} images cannot be used{listed(problems)}",
            expected="whole image files, of 8 or 16 bits a channel",
            fix="replace them, choose others by a pattern (--images 'DIR/*.png'), or raise --max-pixels",
        )
    if turned:
        text = "%d images, such as %s, have an EXIF orientation, which is not applied to them and their maps"
        log.warning(text, len(turned), turned[0])


def read_image(file: ImageFile) -> np.ndarray:
    """An RGB image (H, W, 3) uint8; UserError if the file cannot be decoded."""
    try:
        return image_io.decode_image(content(file.path))
    except (OSError, UnreadableImageError) as error:
        raise UserError(
            f"{file.path} cannot be predicted",
            found=error,
            expected="a whole image file, of 8 or 16 bits",
            fix="replace the file, and repeat the command: finished maps are kept",
        ) from None


class ImageStore:
    """Image files with the methods of a `Store` that a prediction reads: RGB images resized to (S, S), and empty labels
    of their original sizes."""

    def __init__(self, files: Sequence[ImageFile], size: int):
        self.files, self.size = files, size
        self.ids = [file.name for file in files]
        self._shape: tuple[int, ...] = ()  # of the image that was read last

    def __len__(self) -> int:
        return len(self.files)

    def image(self, i: int) -> np.ndarray:
        image = read_image(self.files[i])
        self._shape = image.shape[:2]
        return image_io.resize(image, self.size)

    def truth(self, i: int) -> np.ndarray:
        return np.broadcast_to(np.uint8(0), self._shape)

    def grey(self, i: int) -> np.ndarray:
        return np.empty(0, np.int32)
