"""Synthetic data: equal keys give equal bytes; scenes hold an object, textures do not; difficulty varies."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_input import contents

from pipeline_src.data.synthetic.scenes import draw_scene, simulate_camera, write_set
from pipeline_src.data.synthetic.shapes import SHAPES, filled
from pipeline_src.data.synthetic.textures import PATTERNS, palette, surface
from pipeline_src.rng import generator

HEIGHT, WIDTH = 136, 176


def test_a_set_depends_on_its_key_and_a_longer_set_begins_with_the_shorter(tmp_path: Path) -> None:
    for folder, *key in (("a", "train", 3, 0), ("b", "train", 5, 0), ("c", "train", 3, 1), ("d", "val", 3, 0)):
        write_set("scenes", *key, tmp_path / folder)
    short, long, *others = (contents(tmp_path / folder) for folder in "abcd")
    assert len(short) == 6 and len(long) == 10 and short == {name: long[name] for name in short}
    assert not {*short.values()} & {data for other in others for data in other.values()}


def test_masks_are_plausible() -> None:
    scenes = [draw_scene(generator(7, "test", number), HEIGHT, WIDTH) for number in range(60)]
    shares = np.array([(mask > 127).mean() for _, mask in scenes])
    grey = np.array([((mask > 0) & (mask < 255)).mean() for _, mask in scenes])
    for image, mask in scenes:
        assert image.shape == (HEIGHT, WIDTH, 3) and mask.shape == (HEIGHT, WIDTH)
        assert image.dtype == mask.dtype == np.uint8
    assert shares.min() > 0.01 and shares.max() < 0.75 and shares.std() > 0.04
    assert 0.08 < shares.mean() < 0.3  # ECSSD and DUTS-TR: about 0.2
    assert (grey > 0.001).all() and (grey < 0.12).all()  # edges are grey, insides are not


def test_textures_have_empty_masks_and_sizes_vary(tmp_path: Path) -> None:
    write_set("textures", "test", 12, 0, tmp_path)
    masks = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted((tmp_path / "GT").iterdir())]
    images = [cv2.imread(str(path)) for path in sorted((tmp_path / "Image").iterdir())]
    shapes = [mask.shape for mask in masks]
    assert not any(mask.any() for mask in masks) and shapes == [image.shape[:2] for image in images]
    assert len({*shapes}) > 8 and {height > width for height, width in shapes} == {True, False}


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
