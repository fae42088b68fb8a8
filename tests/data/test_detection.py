"""Detection of images, masks, values and splits of an unknown folder."""

from __future__ import annotations

import io

import numpy as np
import pytest
from made_sets import encoded, files, mask, photo, write_files
from PIL import Image

from pipeline_src.data.detection import MaskValues, detect
from pipeline_src.data.new_entry import complete_splits
from pipeline_src.errors import UserError

LAYOUTS = [  # patterns of images and masks, the layout of images and masks, splits
    ("Photos/*.jpg GT/*.png", "Photos", "GT", ""),
    ("train/img/*.jpg train/gt/*.png test/img/t*.jpg test/gt/t*.png", "img", "gt", "test train"),
    ("images/train/*.jpg labels/train/*.png images/val/v*.jpg labels/val/v*.png", "images", "labels", "train val"),
    ("all/*.jpg all/*.png", "all", "all/*.png", ""),
    ("*.jpg *_mask.png", ".", "./*_mask.png", ""),
    ("*.png *_mask.png", ".", "./*_mask.png", ""),
    ("images/*.jpg masks/mask_*.png", "images", "masks/mask_*.png", ""),
    ("images/*.jpg masks/*_lesion.png", "images", "masks/*_lesion.png", ""),
    (
        "Training_Images/*.jpg Training_Masks/*.png Test_Images/t*.jpg Test_Masks/t*.png",
        "*Images/*",
        "*Masks/*",
        "test train",
    ),
    ("train/*.jpg train_masks/*.png val/v*.jpg val_masks/v*.png", ".", "*masks/*", "train val"),
]
MORE = {"Imgs/other.jpg": photo(9), "Edge/p0.png": encoded(mask())}  # an image without a mask, and another picture


@pytest.mark.parametrize(("patterns", "images", "masks", "splits"), LAYOUTS)
def test_layouts_are_recognized(tmp_path, patterns, images, masks, splits):
    made = {}
    for images_pattern, masks_pattern in zip(patterns.split()[::2], patterns.split()[1::2], strict=True):
        made |= files(3, images_pattern, masks_pattern)
    found = detect(write_files(tmp_path, made))
    assert (found.images, found.masks, sorted(found.splits)) == (images, masks, splits.split())
    assert 2 * found.pairs == len(made) and found.values == MaskValues()


def test_an_image_without_a_mask_and_other_pictures_are_ignored(tmp_path):
    found = detect(write_files(tmp_path, files(4, "Imgs/*.jpg", "GT/*.png") | MORE))
    assert (found.images, found.masks, found.pairs) == ("Imgs", "GT", 4)


@pytest.mark.parametrize(
    ("values", "foreground", "classes"),
    [
        ([0, 255], None, 0),
        ([0, 1], 1, 0),
        ([0, 128], 128, 0),
        ([0, 100], 100, 0),
        ([0, 1, 255], 1, 0),
        ([0, 1, 4], None, 5),
        ([0, 1, 2, 255], None, 3),
    ],
)
def test_what_values_of_masks_mean(tmp_path, values, foreground, classes):
    made = files(4, "images/*.jpg", "masks/*.png", lambda i: np.resize(values, (30, 40)).astype(np.uint8))
    found = detect(write_files(tmp_path, made))
    assert (found.values.foreground, found.values.classes) == (foreground, classes)
    assert bool(found.notes) == (values == [0, 1, 255])


@pytest.mark.parametrize(("rare", "foreground", "classes"), [(255, None, 0), (1, 1, 0), (2, None, 3)])
def test_one_mask_of_many_decides(tmp_path, rare, foreground, classes):
    usual = 1 if classes else 0
    made = files(60, "images/*.jpg", "masks/*.png", lambda i: mask() // 255 * np.uint8(rare if i == 7 else usual))
    found = detect(write_files(tmp_path, made)).values
    assert (found.foreground, found.classes) == (foreground, classes)


def test_stray_pixels_are_no_ids(tmp_path):
    def stray(i: int) -> np.ndarray:
        made = mask(i)
        made[0, :2] = 1, 2
        return made

    found = detect(write_files(tmp_path, files(3, "images/*.jpg", "masks/*.png", stray))).values
    assert (found.foreground, found.classes) == (None, 0)


def test_a_palette_of_two_names_its_object(tmp_path):
    def made(high: int) -> dict[str, bytes]:
        picture, file = Image.fromarray(mask() // 255 * np.uint8(high), "P"), io.BytesIO()
        picture.putpalette(np.random.default_rng(0).integers(0, 256, 768, np.uint8).tolist())
        picture.save(file, "png")
        return files(2, "images/*.jpg", "masks/*.png") | {f"masks/p{i}.png": file.getvalue() for i in range(2)}

    for high in (1, 255):
        assert detect(write_files(tmp_path / str(high), made(high))).values.foreground == high


COLORS = np.array([[128, 0, 0], [0, 128, 0]], np.uint8)
IMAGES = {f"images/p{i}.jpg": photo(i) for i in range(3)}
REFUSED = {  # files and the text that is named
    "colors": (
        files(3, "images/*.jpg", "masks/*.png", lambda i: np.resize(COLORS, (30, 40, 3))),
        "colored",
    ),
    "masks only": ({f"GT/{i}.png": encoded(mask(i)) for i in range(3)}, "GT"),
    "deep": (files(3, "images/*.jpg", "masks/*.png", lambda i: mask(i).astype(np.uint16) * 257), "uint16"),
    "odd": (
        files(3, "images/*.jpg", "masks/*.png", lambda i: np.resize([0, 20, 90, 100, 140], (30, 40)).astype(np.uint8)),
        "0, 20, 90, 100, 140",
    ),
    "empty": (files(3, "images/*.jpg", "masks/*.png", lambda i: mask(i) * 0), "--ood"),
    "no masks": (IMAGES | {f"masks/p{i}.jpg": photo(9) for i in range(3)}, "masks/p2.jpg"),
    "other names": (IMAGES | {f"masks/other{i}.png": encoded(mask()) for i in range(3)}, "masks"),
    "nothing": ({"notes.txt": b"none"}, "no images"),
    "splits": (
        files(2, "train/images/*.jpg", "train/masks/*.png") | files(2, "test/images/*.jpg", "test/masks/*.png"),
        "test/images/p0.jpg, train/images/p0.jpg",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_recognized_is_refused_with_its_name(tmp_path, name):
    made, named = REFUSED[name]
    with pytest.raises(UserError, match=named):
        detect(write_files(tmp_path, made))


def test_an_option_chooses_the_folder(tmp_path):
    both = files(3, "left/*.jpg", "first_gt/*.png") | files(3, "right/*.jpg", "second_gt/*.png")
    found = detect(write_files(tmp_path, both), images="left", masks="second_gt")
    assert (found.images, found.masks, found.pairs) == ("left", "second_gt", 3)
    with pytest.raises(UserError, match="nowhere"):
        detect(tmp_path, masks="nowhere")


def test_textures_are_taken_from_all_folders(tmp_path):
    write_files(tmp_path, {f"{kind}/{kind}{i}.jpg": photo(i) for kind in ("banded", "woven") for i in range(3)})
    found = detect(tmp_path, ood=True)
    assert (found.images, found.masks, found.pairs) == (".", "", 6)
    write_files(tmp_path, {f"masks/banded{i}.png": encoded(mask(i)) for i in range(3)})
    with pytest.raises(UserError, match="banded/banded0"):
        detect(tmp_path, ood=True)


def test_several_names_of_one_split_are_noted(tmp_path):
    made = {}
    for name in ("train", "dev", "valid"):
        made |= files(2, f"{name}/images/{name}*.jpg", f"{name}/masks/{name}*.png")
    found = detect(write_files(tmp_path, made))
    assert found.splits == {"train": {"folder": "train"}, "val": {"folder": "dev"}, "valid": {"folder": "valid"}}
    assert "valid" in found.notes[0]


def test_drawn_splits_leave_out_given_splits():
    assert complete_splits({"val": "val.txt"}, 100) == {
        "val": "val.txt",
        "not-val": {"of": "all", "without": "val"},
        "test": {"of": "not-val", "fraction": 0.2, "seed": 0},
        "train": {"of": "not-val", "without": "test"},
    }


@pytest.mark.parametrize(("images", "share"), [(5, 0.3), (100, 0.3), (160, 0.24), (500, 0.1), (10_000, 0.1)])
def test_validation_has_thirty_images_if_the_dataset_allows(images, share):
    assert complete_splits({}, images)["val"]["fraction"] == share


def test_unreadable_files_are_left_to_the_check(tmp_path):
    made = files(4, "images/*.jpg", "masks/*.png") | {"images/p0.jpg": photo(0)[:200], "masks/p1.png": b""}
    assert detect(write_files(tmp_path, made)).pairs == 4
