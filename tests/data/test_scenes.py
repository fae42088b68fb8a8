"""Synthetic data: equal keys give equal bytes; scenes hold an object, textures do not; difficulty varies."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline_src.data.synthetic.scenes import draw_scene, simulate_camera, write_set
from pipeline_src.data.synthetic.shapes import SHAPES, filled
from pipeline_src.data.synthetic.textures import PATTERNS, palette, surface
from pipeline_src.rng import generator

HEIGHT, WIDTH = 136, 176


@pytest.fixture(scope="module")
def scenes() -> list[tuple[np.ndarray, np.ndarray]]:
    return [draw_scene(generator(7, "test", number), HEIGHT, WIDTH) for number in range(60)]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.mark.parametrize("kind", ["scenes", "textures"])
def test_a_set_is_the_same_whenever_it_is_written_and_however_long_it_is(tmp_path: Path, kind: str) -> None:
    write_set(kind, "train", 3, 0, tmp_path / "a")
    write_set(kind, "train", 5, 0, tmp_path / "b")
    short, long = _bytes(tmp_path / "a"), _bytes(tmp_path / "b")
    stem = kind.removesuffix("s")
    assert set(short) == {
        f"{d}/{stem}_train_000{i}{s}" for d, s in (("Image", ".jpg"), ("GT", ".png")) for i in (1, 2, 3)
    }
    assert short == {name: long[name] for name in short}
    assert len(long) == 10


def test_seeds_and_splits_differ(tmp_path: Path) -> None:
    for split, seed in (("train", 0), ("train", 1), ("val", 0)):
        write_set("scenes", split, 2, seed, tmp_path / f"{split}{seed}")
    images = [content for name, content in _bytes(tmp_path).items() if "/Image/" in name]
    assert len(set(images)) == 6


def test_masks_are_plausible(scenes: list) -> None:
    shares = np.array([(mask > 127).mean() for _, mask in scenes])
    grey = np.array([((mask > 0) & (mask < 255)).mean() for _, mask in scenes])
    for image, mask in scenes:
        assert image.shape == (HEIGHT, WIDTH, 3) and image.dtype == np.uint8
        assert mask.shape == (HEIGHT, WIDTH) and mask.dtype == np.uint8
    assert shares.min() > 0.01 and shares.max() < 0.75
    assert 0.08 < shares.mean() < 0.3  # ECSSD and DUTS-TR: about 0.2
    assert shares.std() > 0.04
    assert (grey > 0.001).all() and (grey < 0.12).all()  # edges are grey, insides are not


def test_textures_are_written_with_empty_masks_and_sizes_vary(tmp_path: Path) -> None:
    write_set("textures", "test", 12, 0, tmp_path)
    masks = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted((tmp_path / "GT").iterdir())]
    images = [cv2.imread(str(path)) for path in sorted((tmp_path / "Image").iterdir())]
    assert not any(mask.any() for mask in masks)
    assert [mask.shape for mask in masks] == [image.shape[:2] for image in images]
    assert len({mask.shape for mask in masks}) > 8
    assert any(h > w for h, w in (m.shape for m in masks)) and any(w > h for h, w in (m.shape for m in masks))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_fills_the_frame_with_structure(pattern: str) -> None:
    rng = generator(3, pattern)
    tone = PATTERNS[pattern](rng, 60, 80, 9.0)
    assert tone.shape == (60, 80) and np.isfinite(tone).all() and tone.min() >= -0.01 and tone.max() <= 1.01
    assert tone.std() > 0.03
    assert simulate_camera(rng, surface(rng, 60, 80, pattern, palette(rng), 9.0, 0.4)).std() > 2


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_shape_lies_within_its_frame(shape) -> None:
    place = np.array([[30.0, 0, 48], [0, 30, 48]])
    for number in range(5):
        cover = filled(shape(generator(number, shape.__name__))[0], place, 96, 96, 1.0)
        assert 0.04 < cover.mean() < 0.7
