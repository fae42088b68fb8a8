"""The store holds what the files hold, in the order of the part, and nothing of the machine."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_sets import encoded, entry, image, mask, write_files, write_zip

from pipeline_src.data.build import build
from pipeline_src.data.prepare import prepare
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.params.parts import Part

SIZES = [(30, 40), (100, 60), (16, 90), (24, 24), (50, 51)]


def files() -> dict[str, bytes]:
    made = {}
    for i, (height, width) in enumerate(SIZES):
        soft = mask(i, height, width)
        soft[4, 10:20] = 128 - i % 2  # on both sides of the threshold
        made[f"Image/s{i}.png"] = encoded(image(i, height, width))
        made[f"GT/s{i}.png"] = encoded(soft)
    return made


@pytest.fixture
def stored(tmp_path):
    """Build the store of a part of a made-up archive in which the split `val` is s3, s0, s4."""
    write_zip(tmp_path / "a.zip", files())
    (tmp_path / "val.txt").write_text("s3\ns0\ns4\n")
    mine = entry(archive="a.zip", images="Image", masks="GT", splits={"val": "val.txt"})
    prepare(mine, tmp_path, tmp_path / "unpacked", tmp_path / "manifest")

    def stored(part: dict | None = None, size: int = 24, out: str = "store") -> Store:
        part = Part(set="mine", **(part or {}))
        build(part, mine, tmp_path, tmp_path / "unpacked", tmp_path / "manifest", size, tmp_path / out)
        return Store(tmp_path / out)

    stored.folder = tmp_path
    return stored


def test_images_and_masks_are_resized_and_truth_is_not(stored):
    store, made = stored(), files()
    assert (len(store), store.size, store.images.shape, store.masks.shape) == (5, 24, (5, 24, 24, 3), (5, 24, 24))
    assert store.images.dtype == store.masks.dtype == store.truth(0).dtype == np.uint8
    for i, (height, width) in enumerate(SIZES):
        original = cv2.imdecode(np.frombuffer(made[f"GT/s{i}.png"], np.uint8), cv2.IMREAD_UNCHANGED)
        how = cv2.INTER_AREA if min(height, width) >= 24 else cv2.INTER_LINEAR
        assert np.array_equal(store.images[i], cv2.resize(image(i, height, width), (24, 24), interpolation=how))
        assert np.array_equal(store.masks[i], cv2.resize(original, (24, 24), interpolation=how))
        assert np.array_equal(store.truth(i), original > 127) and store.truth(i).shape == (height, width)
        assert store.index[i].grey == 10
        assert np.array_equal(store.grey(i), np.flatnonzero((original > 0) & (original < 255)))
    assert np.array_equal(store.images[3], image(3, 24, 24))  # same size: not touched
    assert len(np.unique(store.masks)) > 3  # soft edges are kept


def test_order_and_ids_are_those_of_the_split(stored):
    assert stored({"split": "val"}).ids == ["mine/s3", "mine/s0", "mine/s4"]
    assert stored({"split": "val", "first": 2}).ids == ["mine/s3", "mine/s0"]
    store = stored({"split": "val", "last": 1})
    assert store.ids == ["mine/s4"] and store.truth(0).shape == SIZES[4]
    with pytest.raises(UserError, match="first 4 of mine/val has too few samples"):
        stored({"split": "val", "first": 4})


def test_bytes_are_the_same_again_and_in_another_place(stored):
    one, two = stored(out="one").folder, stored(out="deep/two").folder
    names = sorted(path.name for path in one.iterdir())
    assert names == ["grey.npy", "images.npy", "index.csv", "masks.npy", "store.json", "truth.npy"]
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()
        assert str(stored.folder).encode() not in (one / name).read_bytes()
    assert not [path for path in stored.folder.rglob(".*partial*")]


def test_the_unpacked_cache_may_be_gone(stored):
    first = stored().images.copy()
    shutil.rmtree(stored.folder / "unpacked")
    assert np.array_equal(stored().images, first)


def test_files_that_changed_since_they_were_verified_are_refused_and_the_old_store_stays(stored):
    before = stored().images.copy()
    (path,) = (stored.folder / "unpacked").glob("mine-*/Image/s2.png")
    path.write_bytes(encoded(image(99, 16, 90)))
    with pytest.raises(UserError, match=r"s2.png has changed since"):
        stored()
    assert np.array_equal(Store(stored.folder / "store").images, before)


def test_ood_sets_are_all_background(tmp_path):
    write_files(tmp_path, {name: data for name, data in files().items()})
    mine = entry(images="Image", ood=True)
    prepare(mine, tmp_path, tmp_path / "u", tmp_path / "m")
    build(Part(set="mine"), mine, tmp_path, tmp_path / "u", tmp_path / "m", 24, tmp_path / "s")
    store = Store(tmp_path / "s")
    assert store.info["ood"] and not store.masks.any()
    assert [store.truth(i).shape for i in range(5)] == SIZES and not any(store.truth(i).any() for i in range(5))


def test_a_store_is_read_only_and_sent_to_workers_by_name(stored):
    store = stored()
    with pytest.raises(ValueError):
        store.images[0] = 0
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent).truth(1), store.truth(1))


def test_what_is_no_store_is_told(tmp_path, stored):
    with pytest.raises(UserError, match="no data store"):
        Store(tmp_path / "nothing")
    folder = stored().folder
    text = (folder / "store.json").read_text()
    Path(folder / "store.json").write_text(text.replace('"schema": 2', '"schema": 0'))
    with pytest.raises(UserError, match="another format"):
        Store(folder)


@pytest.mark.parametrize("name", ["images", "masks", "truth", "grey"])
def test_an_array_of_another_size_than_the_index_says_is_told(stored, name):
    """Else each image behind the missing pixels would have the labels of others."""
    file = stored().folder / f"{name}.npy"
    np.save(file, np.load(file)[:-1])
    with pytest.raises(UserError, match=rf"{name}\.npy of a data store cannot be read[\s\S]*an array of shape"):
        Store(file.parent)


def test_a_full_disk_is_seen_before(stored, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("pipeline_src.files.shutil.disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"(?s)the data store .* does not fit into.*a smaller image_size"):
        stored()
