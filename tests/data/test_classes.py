"""Sets of several classes: what is said of them, masks of ids read, checked and stored."""

from __future__ import annotations

import io

import numpy as np
import pytest
from made_sets import encoded, image, write_files
from PIL import Image

from pipeline_src.data import catalog, manifest
from pipeline_src.data.build import build
from pipeline_src.data.image_io import UnreadableImageError
from pipeline_src.data.masks import decode_labels
from pipeline_src.data.part_checks import check_parts
from pipeline_src.data.prepare import prepare
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.parts import Part

CLASSES = ["background", "car", "tree"]


def labels(seed: int, height: int = 30, width: int = 40, void: int = 7) -> np.ndarray:
    """Blocks of 5 x 5 pixels of the ids 0, 1, 2 and void."""
    ids = np.random.default_rng(seed).choice([0, 1, 2, void], (height // 5, width // 5))
    return ids.repeat(5, 0).repeat(5, 1).astype(np.uint8)


def with_palette(ids: np.ndarray) -> bytes:
    picture, file = Image.fromarray(ids, "P"), io.BytesIO()
    picture.putpalette(np.random.default_rng(0).integers(0, 256, 768, np.uint8).tolist())
    picture.save(file, "png")
    return file.getvalue()


@pytest.fixture
def mine(tmp_path):
    """Three images, the last one's ids behind a palette, as a set of three classes; void is 7."""
    files = {f"Image/s{i}.png": encoded(image(i)) for i in range(3)}
    files |= {f"Label/s{i}.png": encoded(labels(i)) for i in range(2)} | {"Label/s2.png": with_palette(labels(2))}
    write_files(tmp_path / "set", files)
    raw = {"folder": "set", "images": "Image", "masks": "Label", "classes": CLASSES, "void": 7}
    return catalog.load({"mine": raw})["mine"]


def prepared(mine, folder, on_problem="fail"):
    return prepare(mine, folder, folder / "unpacked", folder / "manifest", on_problem)


def test_ids_are_counted_and_stored_with_void_as_255(mine, tmp_path):
    made = np.stack([labels(i) for i in range(3)])
    summary = prepared(mine, tmp_path)
    assert summary["class_pixels"] == {name: int((made == i).sum()) for i, name in enumerate(CLASSES)}
    assert summary["void_pixels"] == (made == 7).sum() and summary["pixels"] == made.size
    rows = manifest.read(tmp_path / "manifest")
    assert [row.foreground for row in rows] == pytest.approx((made != 7).mean((1, 2)), abs=1e-6)

    build(Part(set="mine"), mine, tmp_path, tmp_path / "u", tmp_path / "manifest", 20, tmp_path / "s")
    store = Store(tmp_path / "s")
    assert (store.classes, store.masks.shape, store.images.shape) == (3, (3, 20, 20), (3, 20, 20, 3))
    for i in range(3):
        expected = np.where(made[i] == 7, 255, made[i])
        assert np.array_equal(store.truth(i), expected)
        # 40 to 20 columns and 30 to 20 rows: the pixel under the centre of each new one.
        rows, columns = np.floor((np.arange(20) + 0.5) * 1.5).astype(int), np.arange(20) * 2 + 1
        assert np.array_equal(store.masks[i], expected[rows][:, columns])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (encoded(np.full((4, 4), 3, np.uint8)), "values 3, neither a class"),
        (encoded(np.zeros((4, 4, 3), np.uint8)), "mode RGB"),
        (encoded(np.zeros((4, 4), np.uint16)), "mode I"),
        (encoded(labels(0, 200, 200, 2))[:90], "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_masks_that_are_no_ids_are_told(data, told):
    with pytest.raises(UnreadableImageError, match=told):
        decode_labels(data, 3)


def test_every_problem_is_told_or_left_out(mine, tmp_path):
    write_files(
        tmp_path / "set",
        {"Label/s0.png": encoded(labels(0) + 1), "Label/s1.png": encoded(labels(1, 30, 45)), "Image/s2.png": b""},
    )
    with pytest.raises(UserError) as error:
        prepared(mine, tmp_path)
    for text in ("s0.png: mask has the values 3, 8", "mask is 45 x 30, its image 40 x 30", "Image/s2.png: is empty"):
        assert text in str(error.value)
    write_files(tmp_path / "set", {"Image/s3.png": encoded(image(3)), "Label/s3.png": encoded(labels(3))})
    summary = prepared(mine, tmp_path, "skip")
    assert (summary["samples"], summary["left_out"], summary["problems"]) == (1, 3, 3)
    assert summary["pixels"] == 1200


def test_facts_may_stand_in_a_users_entry_and_faults_are_told():
    sets = catalog.load({"mine": {"images": "a", "masks": "b", "classes": CLASSES, "caption": "Frames."}})
    assert (sets["mine"].classes, sets["mine"].void, sets["mine"].caption) == (tuple(CLASSES), 255, "Frames.")
    assert len(sets["CamVid"].classes) == 11 and sets["CamVid"].void == 11 and not sets["ECSSD"].classes
    with pytest.raises(UserError, match="two `classes` are an object and its background"):
        catalog.load({"mine": {"images": "a", "masks": "b", "classes": ["no", "yes"]}})
    with pytest.raises(UserError, match=r"datasets.mine(.|\n)*void"):
        catalog.load({"mine": {"images": "a", "masks": "b", "classes": CLASSES, "void": 300}})


def test_sets_of_an_experiment_have_the_same_classes():
    one = {"images": "a", "masks": "b", "classes": CLASSES}
    sets = catalog.load(
        {
            "one": one,
            "other": {**one, "classes": ["road", *CLASSES]},
            "turned": {**one, "classes": CLASSES[::-1]},
            "renamed": {**one, "classes": [*CLASSES[:-1], "bush"]},
            "plain": {"images": "a", "ood": True},
        }
    )
    train = {"train": (Part(set="one"), "train")}
    check_parts(sets, {**train, "t": (Part(set="one"), "id"), "o": (Part(set="plain"), "ood")})
    for name in ("other", "turned", "renamed", "ECSSD"):
        with pytest.raises(UserError, match=f"{name} has other classes than the training set one"):
            check_parts(sets, {**train, "t": (Part(set=name), "shifted")})
    with pytest.raises(UserError, match="no class of other is right"):
        check_parts(sets, {"train": (Part(set="other"), "train"), "o": (Part(set="plain"), "id")})
    check_parts(sets, {"train": (Part(set="other"), "train"), "o": (Part(set="plain"), "ood")})
