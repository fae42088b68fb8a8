"""Every reader takes the same pixels of a file: those of its first picture, as they are stored."""

from __future__ import annotations

import io

import numpy as np
import pytest
from made_sets import encoded, image, mask
from PIL import Image

from pipeline_src.data import image_io
from pipeline_src.data.image_headers import UPRIGHT, read_header
from pipeline_src.maps.pairs import UnusableFileError
from pipeline_src.maps.reader import mask_values

MASK = mask(3, 12, 20)


def saved(form: str, *further: Image.Image, turn: int = UPRIGHT, mode: str = "L", **options) -> bytes:
    """MASK and further pictures as a file that asks to be turned."""
    exif = Image.Exif()
    exif[274] = turn
    options |= {"tiffinfo": {274: turn}} if form == "TIFF" else {"exif": exif}
    options |= {"save_all": True, "append_images": further} if further else {}
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}
    Image.fromarray(MASK).convert(mode).save(file := io.BytesIO(), form, **options, **lossless.get(form, {}))
    return file.getvalue()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_images_masks_and_maps_are_turned_alike(tmp_path, form, turn):
    """By the orientation of a TIFF, and by that of no other file, which is told."""
    data = saved(form, turn=turn)
    (tmp_path / "a.png").write_bytes(data)
    image, read = image_io.decode_image(data)[..., 0] > 127, image_io.decode_mask(data) > 127
    np.testing.assert_array_equal(image, read)
    if form == "TIFF" or turn == UPRIGHT:
        np.testing.assert_array_equal(mask_values(tmp_path / "a.png")[0] > 127, read)
        assert read_header(data).orientation == UPRIGHT
    else:
        np.testing.assert_array_equal(MASK > 127, read)
        assert read_header(data).orientation == turn
        with pytest.raises(UnusableFileError, match=f"EXIF orientation of {turn}"):
            mask_values(tmp_path / "a.png")


@pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP", "TIFF"])
def test_several_pictures_are_refused(form):
    read_header(saved(form)).check_single()
    with pytest.raises(image_io.UnreadableImageError, match="several pictures"):
        read_header(saved(form, Image.new("L", (20, 12), 9), Image.new("L", (20, 12), 99))).check_single()


def test_a_preview_is_no_picture():
    small = Image.new("L", (10, 6))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    read_header(saved("TIFF", small)).check_single()
    read_header(saved("MPO", small, mode="RGB")).check_single()


def test_damaged_exif_data_ask_for_nothing():
    data = saved("JPEG", turn=3)
    damaged = data.replace(b"MM\0*", b"MM\0\xff").replace(b"II*\0", b"II\xff\0")
    assert read_header(damaged).orientation == read_header(encoded(MASK)).orientation == UPRIGHT
    with pytest.raises(image_io.UnreadableImageError, match="cannot be decoded"):
        read_header(b"II*\0\x08\0\0\0\xff\xff")


def test_the_end_of_a_thumbnail_is_not_that_of_its_image():
    whole, thumbnail = encoded(image(0, 200, 200), ".jpg"), b"Exif\0\0" + encoded(image(1), ".jpg")
    app1 = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    data = whole[:2] + app1 + whole[2:]
    image_io.check_whole(data)
    with pytest.raises(image_io.UnreadableImageError, match="cut off"):
        image_io.check_whole(data[: len(data) // 2])
