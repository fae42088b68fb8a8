"""A folder of probability maps with a record of their sources, from which an interrupted prediction resumes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from pipeline_src import outputs
from pipeline_src.errors import UserError, listed
from pipeline_src.export.image_files import ImageFile
from pipeline_src.files import atomic, sha256, write_text

RECORD = "maps.jsonl"
Format = Literal["png8", "png16", "npy"]


class MapFolder:
    """Maps of one model.

    Args:
        folder: folder of the maps and their record.
        model: name of the run or exported folder.
        digest: digest of the model, its calibrator and the format.
        format: PNG with 8 or 16 bits, or float32 in .npy.

    Attributes:
        lines: of each map `map` (its file), `model`, `digest`, and `image` (SHA-256).
    """

    def __init__(self, folder: Path, model: str, digest: str, format: Format):
        self.folder, self.model, self.digest, self.format = folder, model, digest, format
        self.record, self.suffix = folder / RECORD, ".npy" if format == "npy" else ".png"
        self.lines: dict[str, dict[str, str]] = {}
        text = self.record.read_text(encoding="utf-8", errors="replace") if self.record.is_file() else ""
        for line in text.splitlines():
            with suppress(ValueError, LookupError, TypeError):  # cut off by a kill: its map is predicted again
                values = json.loads(line)
                self.lines[values["map"]] = values

    def name(self, image: ImageFile) -> str:
        """The file of an image's map, relative to the folder."""
        return f"{image.name}{self.suffix}"

    def check(self, images: Sequence[ImageFile]) -> None:
        """Check that the maps of some images can be written.

        Raises:
            UserError: as `outputs.check`; the folder has maps with another suffix.
        """
        files = [self.folder / self.name(image) for image in images]
        outputs.check(
            self.folder,
            "predict",
            below={file.parent for file in files},
            inputs={folder for image in images for folder in (image.path.parent, image.path.resolve().parent)},
            model=self.model,
            others=sorted({line["model"] for line in self.lines.values()} - {self.model}),
            foreign=[] if self.record.exists() else [file for file in files if file.exists()],
        )
        if stale := [name for name in sorted(self.lines) if not name.endswith(self.suffix)]:
            raise UserError(
                f"--out {self.folder} has maps in another format",
                found=listed(stale, 3),
                expected=f"a new folder, or one with only {self.suffix} maps",
                fix="give another --out, or the --format of the existing maps",
            )

    def has(self, image: ImageFile) -> bool:
        """Whether the folder has the map of an image by this model."""
        name = self.name(image)
        line = self.lines.get(name, {})
        current = line.get("digest") == self.digest and (self.folder / name).is_file()
        return current and line.get("image") == sha256(image.path)

    def write(self, image: ImageFile, probability: np.ndarray) -> None:
        """Write a map, (H, W) or (K, H, W) in [0, 1], and its line of the record.

        Integer maps are rounded to the nearest level, halves up at 0.5: rounding moves no pixel to the other class.
        """
        name = self.name(image)
        with atomic(self.folder / name) as temporary:
            if self.format == "npy":
                np.save(temporary, probability.astype(np.float32))
            else:
                kind: type[np.unsignedinteger[Any]] = np.uint8 if self.format == "png8" else np.uint16
                levels = np.rint(probability.astype(np.float64) * np.iinfo(kind).max).astype(kind)
                temporary.write_bytes(cv2.imencode(".png", levels)[1].tobytes())
        self.lines[name] = {"map": name, "model": self.model, "digest": self.digest, "image": sha256(image.path)}
        with open(self.record, "a", encoding="utf-8") as record:
            record.write(f"\n{json.dumps(self.lines[name], ensure_ascii=False)}")  # after a line that was cut off

    def finish(self) -> None:
        """Write the record in the order of names: an interrupted prediction ends in the same bytes."""
        lines = (json.dumps(line, ensure_ascii=False) for _, line in sorted(self.lines.items()))
        write_text(self.record, "".join(f"{line}\n" for line in lines))
