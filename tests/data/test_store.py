"""Stores hold the content of files in the order of the part, and nothing of the machine."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_sets import encoded, entry, image, mask, write_files, write_zip

from pipeline_src.data.build import build
from pipeline_src.data.entry import Entry
from pipeline_src.data.prepare import prepare
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Split

SIZES = [(30, 40), (100, 60), (16, 90), (24, 24), (50, 51)]


def files() -> dict[str, bytes]:
    made = {}
    for i, (height, width) in enumerate(SIZES):
        soft = mask(i, height, width)
        soft[4, 10:20] = 128 - i % 2  # on both sides of the threshold
        made |= {f"Image/s{i}.png": encoded(image(i, height, width)), f"GT/s{i}.png": encoded(soft)}
    return made


def built(mine: Entry, root: Path, unpacked: str, prepared: str, out: str, **more) -> Store:
    """The store of a part of a prepared dataset; folders are below `root`."""
    options = {"size": more.pop("size", 24), "label": more.pop("label", None)}
    places = {"unpacked": root / unpacked, "prepared": root / prepared, "out": root / out}
    build(Split(set="mine", **more), mine, data_root=root, **places, **options)
    return Store(root / out)


@pytest.fixture
def stored(tmp_path):
    """Build the store of a part of an archive in which the split `val` is s3, s0, s4."""
    write_zip(tmp_path / "a.zip", files())
    (tmp_path / "val.txt").write_text("s3\ns0\ns4\n")
    mine = entry(archive="a.zip", images="Image", masks="GT", splits={"val": "val.txt"})
    prepare(mine, tmp_path, tmp_path / "unpacked", tmp_path / "manifest")

    def stored(out: str = "store", label: int | None = None, **part) -> Store:
        return built(mine, tmp_path, "unpacked", "manifest", out, label=label, **part)

    stored.folder = tmp_path
    return stored


def test_images_and_masks_are_resized_and_labels_are_not(stored):
    store, made = stored(), files()
    assert (len(store), store.size, store.classes, store.images.shape) == (5, 24, 2, (5, 24, 24, 3))
    assert store.images.dtype == store.masks.dtype == store.truth(0).dtype == np.uint8
    for i, (height, width) in enumerate(SIZES):
        original = cv2.imdecode(np.frombuffer(made[f"GT/s{i}.png"], np.uint8), cv2.IMREAD_UNCHANGED)
        method = cv2.INTER_AREA if min(height, width) >= 24 else cv2.INTER_LINEAR
        assert np.array_equal(store.image(i), cv2.resize(image(i, height, width), (24, 24), interpolation=method))
        assert np.array_equal(store.masks[i], cv2.resize(original, (24, 24), interpolation=method))
        assert np.array_equal(store.truth(i), original > 127) and store.index[i].grey == 10
        assert np.array_equal(store.grey(i), np.flatnonzero((original > 0) & (original < 255)))
    assert np.array_equal(store.images[3], image(3, 24, 24)) and len(np.unique(store.masks)) > 3


def test_order_and_ids_are_those_of_the_split(stored):
    assert stored(split="val").ids == ["mine/s3", "mine/s0", "mine/s4"]
    store = stored(split="val", last=1)
    assert store.ids == ["mine/s4"] and store.truth(0).shape == SIZES[4]
    with pytest.raises(UserError, match="mine/val"):
        stored(split="val", first=4)


def test_changed_files_are_named_and_the_old_store_stays(stored):
    before = stored().images.copy()
    (path,) = (stored.folder / "unpacked").glob("mine-*/Image/s2.png")
    path.write_bytes(encoded(image(99, 16, 90)))
    with pytest.raises(UserError, match=r"s2\.png"):
        stored()
    assert np.array_equal(Store(stored.folder / "store").images, before)


def test_parts_out_of_distribution_have_one_label(stored):
    background, no_class = stored("ood", 0), stored("none", 254)
    assert not background.masks.any() and not background.truth(0).any()
    assert (no_class.truth(0) == 254).all() and np.array_equal(no_class.images, stored().images)
    assert {row.sha256_mask for row in background.index} == {""}
    ood = entry(images="Image", ood=True)
    root = write_files(stored.folder / "t", files())
    prepare(ood, root, root / "u", root / "m")
    assert not built(ood, root, "u", "m", "s").truth(0).any()


def test_class_ids_are_resized_by_the_nearest_pixel(tmp_path):
    ids = np.random.default_rng(0).choice([0, 1, 2, 7], (6, 8)).repeat(5, 0).repeat(5, 1).astype(np.uint8)
    write_files(tmp_path, {"Image/a.png": encoded(image(0)), "GT/a.png": encoded(ids)})
    mine = entry(folder=".", images="Image", masks="GT", classes=["background", "b", "c"], void=7)
    prepare(mine, tmp_path, tmp_path / "u", tmp_path / "m")
    store, expected = built(mine, tmp_path, "u", "m", "s", size=20), np.where(ids == 7, 255, ids)
    rows, columns = np.floor((np.arange(20) + 0.5) * 1.5).astype(int), np.arange(20) * 2 + 1
    assert store.classes == 3 and np.array_equal(store.truth(0), expected)
    assert np.array_equal(store.masks[0], expected[rows][:, columns])


def test_a_store_is_read_only_and_sent_to_workers_by_name(stored):
    store = stored()
    with pytest.raises(ValueError):
        store.images[0] = 0
    assert len(sent := pickle.dumps(store)) < 1000
    assert np.array_equal(pickle.loads(sent).truth(1), store.truth(1))


@pytest.mark.parametrize("name", ["images.npy", "masks.npy", "truth.npy", "grey.npy", "store.json", "index.csv"])
def test_a_damaged_or_missing_file_is_named(stored, name):
    path = stored().folder / name
    path.write_bytes(b"abc")
    with pytest.raises(UserError, match="store"):
        Store(path.parent)
    path.unlink()
    with pytest.raises(UserError, match=name):
        Store(path.parent)
