"""Small data sets made up for tests."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np

from pipeline_src.data.catalog import Entry, load


def encoded(array: np.ndarray, suffix: str = ".png") -> bytes:
    """Bytes of an image file; three channels are RGB."""
    return cv2.imencode(suffix, array[..., ::-1] if array.ndim == 3 else array)[1].tobytes()


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_header(width: int, height: int, bits: int) -> bytes:
    """The beginning of a gray PNG file."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))


def of_few_bits(values: np.ndarray, bits: int) -> bytes:
    """A gray PNG file of 1, 2 or 4 bits a pixel; its rows are whole bytes."""
    height, width = values.shape
    rows = np.packbits(np.unpackbits(values[..., None], axis=2)[..., -bits:].reshape(height, -1), axis=1)
    pixels = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())  # a row begins with its filter, 0
    return png_header(width, height, bits) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def image(seed: int, height: int = 30, width: int = 40) -> np.ndarray:
    """Noise, uint8 (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def mask(seed: int = 0, height: int = 30, width: int = 40) -> np.ndarray:
    """A rectangle, uint8 (height, width), 0 or 255."""
    array = np.zeros((height, width), np.uint8)
    array[5 : 15 + seed % 10, 10:30] = 255
    return array


def pairs(count: int, images: str = "Image", masks: str = "GT") -> dict[str, bytes]:
    """Files of a clean set, by path."""
    files = {}
    for i in range(count):
        files[f"{images}/s{i:02}.jpg"] = encoded(image(i), ".jpg")
        files[f"{masks}/s{i:02}.png"] = encoded(mask(i))
    return files


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # a fixed date: made again, the same bytes
    return path


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def entry(**raw: object) -> Entry:
    """A user's entry called `mine`."""
    return load({"mine": raw})["mine"]
