"""Image files to predict, in the form of a store: decoded and resized when they are read."""

from __future__ import annotations

import glob
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline_src.data import image_io
from pipeline_src.data.image_io import UPRIGHT, Header, UnreadableImageError, read_header
from pipeline_src.data.lookup import IMAGE_SUFFIXES
from pipeline_src.data.pairing import walk
from pipeline_src.errors import UserError, listed
from pipeline_src.files import content

log = logging.getLogger(__name__)

WILD = ("*", "?", "[")


@dataclass(frozen=True)
class ImageFile:
    """An image, and the name of its map: its place below the folder of images, without a suffix."""

    path: Path
    name: str


def find(images: str) -> list[ImageFile]:
    """The images of a folder, at any depth, or a file, or those that a pattern such as `photos/*.jpg` matches, by name.

    Raises:
        UserError: there are none, or two would have the same map.
    """
    folder = Path(images)
    if folder.is_dir():
        top, paths = folder, [*walk(folder)]
    elif folder.exists():  # whose name may look like a pattern
        top, paths = folder.parent, [folder]
    else:
        top, paths = _fixed(folder), [Path(path) for path in glob.glob(images, recursive=True)]
    image_paths = sorted(path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir())
    if not image_paths:
        raise UserError(
            f"--images {images}: there are no images",
            found=_what_is_there(folder, paths),
            expected=f"a folder, or a pattern in quotes as 'photos/*.jpg': {', '.join(sorted(IMAGE_SUFFIXES))}",
            fix="correct the path" + (", or put images into the folder" if folder.is_dir() else ""),
        )
    if other := {path for path in paths if not path.is_dir()} - {*image_paths}:
        log.info("--images %s: %d other files are skipped, such as %s", images, len(other), min(other))
    files = [ImageFile(path, path.relative_to(top).with_suffix("").as_posix()) for path in image_paths]
    same = defaultdict(list)
    for file in files:
        same[file.name].append(file.path)
    if shared := [", ".join(map(str, paths)) for paths in same.values() if len(paths) > 1]:
        raise UserError(
            f"--images {images}: images would have the same map{listed(shared)}",
            expected="one image of each name, whatever its suffix",
            fix="rename them, or choose by a pattern: --images 'DIR/*.png'",
        )
    return files


def _what_is_there(folder: Path, paths: Sequence[Path]) -> str:
    if paths:
        return f"{len(paths)} files of other kinds"
    return f"an empty folder, {folder.absolute()}" if folder.is_dir() else f"nothing at {folder.absolute()}"


def _fixed(pattern: Path) -> Path:
    """The folder ahead of the first part of a pattern that stands for several names."""
    parts = pattern.parts[:-1]
    wild = next((i for i, part in enumerate(parts) if any(mark in part for mark in WILD)), len(parts))
    return Path(*parts[:wild])


def check(files: Sequence[ImageFile], pixels: int) -> None:
    """Look at the headers of all images.

    Raises:
        UserError: names all that cannot be used.
    """
    problems, turned = [], []
    for file in files:
        try:
            header = read_header(content(file.path), pixels, "raise --max-pixels")
            _check_depth(header)
            header.check_single()
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
        log.warning(
            "%d images, such as %s, have an EXIF orientation, which is not applied: they are predicted as their pixels "
            "are stored, and so are their maps",
            len(turned),
            turned[0],
        )


def _check_depth(header: Header) -> None:
    """Refuse a TIFF of values that OpenCV makes no colours of."""
    if not isinstance(header.bits, int) or header.bits > 16:
        raise UnreadableImageError(f"has values of {header.bits} bits", "save it with 8 or 16 bits")


def read_image(file: ImageFile) -> np.ndarray:
    """An RGB image (H, W, 3) uint8; UserError where the file cannot be decoded."""
    try:
        return image_io.decode_image(content(file.path))
    except (OSError, UnreadableImageError) as error:
        raise UserError(
            f"{file.path} cannot be predicted",
            found=error,
            expected="a whole image file, of 8 or 16 bits",
            fix="replace the file, and start the same command again: finished maps stay",
        ) from None


class ImageStore:
    """What `evaluation_batches` reads of a `Store`: RGB images resized to S x S, and labels of their original sizes,
    which say the size and no more."""

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
