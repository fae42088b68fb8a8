"""A folder of probability maps with a record of their sources, from which an interrupted prediction resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from pipeline_src import outputs
from pipeline_src.errors import UserError, listed
from pipeline_src.files import atomic, sha256, write_text
from pipeline_src.prediction.image_files import ImageFile

RECORD = "maps.jsonl"
Format = Literal["png8", "png16", "npy"]
DTYPES: dict[str, type[np.unsignedinteger]] = {"png8": np.uint8, "png16": np.uint16}


@dataclass(frozen=True)
class Made:
    """A line of the record: the file of a map, its model and its image, and the digests of all three."""

    map: str
    model: str
    made_by: str
    image: str
    content: str


class MapFolder:
    """Maps of one model.

    Args:
        folder: of the maps and their record.
        model: the name of what predicts.
        made_by: digest of what predicts, and of the format.
        format: PNG with 8 or 16 bits, or float32 in .npy.
    """

    def __init__(self, folder: Path, model: str, made_by: str, format: Format):
        self.folder, self.model, self.made_by, self.format = folder, model, made_by, format
        self.record = folder / RECORD
        self.made = {line.map: line for line in self._read()}

    def _read(self) -> list[Made]:
        lines = []
        if self.record.is_file():
            for text in self.record.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    lines.append(Made(**json.loads(text)))
                except (ValueError, TypeError):  # empty, or cut off by a kill: its map was not in place yet
                    continue
        return lines

    def name(self, image: ImageFile) -> str:
        """The file of an image's map, below the folder."""
        return f"{image.name}.{'npy' if self.format == 'npy' else 'png'}"

    def check(self, images: Sequence[ImageFile]) -> None:
        """Check that the maps of some images can be written.

        Raises:
            UserError: as `outputs.check`; the folder has maps with another suffix.
        """
        names = [self.name(image) for image in images]
        outputs.check(
            self.folder,
            "predict",
            below={(self.folder / name).parent for name in names},
            inputs={folder for image in images for folder in (image.path.parent, image.path.resolve().parent)},
            model=self.model,
            others=sorted({line.model for line in self.made.values()} - {self.model}),
            foreign=[name for name in names if name not in self.made and (self.folder / name).exists()],
        )
        suffix = ".npy" if self.format == "npy" else ".png"
        stale = sorted(name for name in self.made if not name.endswith(suffix) and (self.folder / name).exists())
        if stale:
            raise UserError(
                f"--out {self.folder} has maps in another format, which would stay among the new ones",
                found=listed(stale, 3),
                expected=f"a new folder, or one with only {suffix} maps: --format {self.format} was asked for",
                fix="give another --out, or the --format of the maps that are there",
            )

    def is_done(self, image: ImageFile) -> bool:
        """Whether the map of an image is there as it was made, by this model, of today's file."""
        line = self.made.get(self.name(image))
        file = self.folder / self.name(image)
        return (
            line is not None
            and line.made_by == self.made_by
            and file.is_file()
            and line.image == sha256(image.path)
            and line.content == sha256(file)
        )

    def write(self, image: ImageFile, probability: np.ndarray) -> None:
        """Write a map, (H, W) or (K, H, W) in [0, 1], and its line of the record.

        Integer maps are rounded to the nearest level, halves up at 0.5: rounding moves no pixel to the other class.
        """
        file = self.folder / self.name(image)
        with atomic(file) as temporary:
            if self.format == "npy":
                np.save(temporary, probability.astype(np.float32))
            else:
                kind = DTYPES[self.format]
                levels = np.rint(probability.astype(np.float64) * np.iinfo(kind).max).astype(kind)
                temporary.write_bytes(cv2.imencode(".png", levels)[1].tobytes())
            line = Made(self.name(image), self.model, self.made_by, sha256(image.path), sha256(temporary))
            # On the disk before the map is in place, which would be a stranger's else, also after a power cut; apart
            # from what a kill left of another line.
            with open(self.record, "a", encoding="utf-8") as record:
                record.write(f"\n{_text(line)}")
                record.flush()
                os.fsync(record.fileno())
        self.made[line.map] = line

    def finish(self) -> None:
        """Write the record in the order of names: the same maps give the same bytes, interrupted or not."""
        write_text(self.record, "".join(_text(line) for _, line in sorted(self.made.items())))


def _text(line: Made) -> str:
    return json.dumps(asdict(line), ensure_ascii=False) + "\n"
