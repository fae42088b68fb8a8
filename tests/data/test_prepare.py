"""Preparation: pairing, verification, notes, problems, and the list of samples."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_sets import (
    chunk,
    encoded,
    entry,
    image,
    mask,
    of_few_bits,
    pairs,
    png_header,
    write_files,
    write_tar,
    write_zip,
)
from PIL import ExifTags, Image

from pipeline_src.data import manifest
from pipeline_src.data.prepare import check_dataset, prepare
from pipeline_src.data.sources import MissingSourceError, identify
from pipeline_src.errors import UserError
from pipeline_src.files import digests

CLASSES = ["background", "car", "tree"]


@pytest.fixture
def run(tmp_path: Path) -> Callable:
    """Write files into a folder set and prepare it; rows by stem and the summary."""

    def run(files: dict[str, bytes], on_problem: str = "fail", **raw):
        write_files(tmp_path / "set", files)
        mine = entry(**{"folder": "set", "images": "Image", "masks": "GT", **raw})
        summary = prepare(mine, tmp_path, tmp_path / "u", tmp_path / "out", on_problem)
        return {row.stem: row for row in manifest.read_rows(tmp_path / "out")}, summary

    return run


def with_mask(data: bytes | np.ndarray, suffix: str = ".png", count: int = 1) -> dict[str, bytes]:
    """An image x and this mask of it, besides clean pairs."""
    data = data if isinstance(data, bytes) else encoded(data, suffix)
    return {**pairs(count), "Image/x.png": encoded(image(99)), f"GT/x{suffix}": data}


def palette(indices: np.ndarray, colors: list[int]) -> bytes:
    picture = Image.fromarray(indices, "P")
    picture.putpalette(colors)
    picture.save(file := io.BytesIO(), "png")
    return file.getvalue()


def test_rows_have_sizes_shares_and_digests(run):
    files = pairs(3)
    rows, summary = run(files)
    assert list(rows) == ["s00", "s01", "s02"] and summary["splits"] == {"all": 3}
    for i, row in enumerate(rows.values()):
        assert (row.id, row.height, row.width, row.grey) == (f"mine/s{i:02}", 30, 40, 0)
        assert (row.image, row.mask) == (f"Image/s{i:02}.jpg", f"GT/s{i:02}.png")
        assert row.foreground == pytest.approx(np.mean(mask(i) == 255), abs=1e-6)
        assert row.sha256_image == hashlib.sha256(files[row.image]).hexdigest()
        assert row.sha256_mask == hashlib.sha256(files[row.mask]).hexdigest()


def test_zip_tar_and_folder_give_one_manifest(tmp_path):
    texts = set()
    for i, write in enumerate((write_zip, write_tar, write_files)):
        root = tmp_path / f"root{i}"
        root.mkdir()
        write(root / "data", pairs(3))
        mine = entry(**{"folder" if i == 2 else "archive": "data"}, images="Image", masks="GT")
        prepare(mine, root, root / "unpacked", root / "out")
        assert str(tmp_path) not in (root / "out/summary.json").read_text()
        texts.add((root / "out/manifest.csv").read_bytes())
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda root: shutil.copy(root / "GT/s00.png", root / "GT/s01.png"), "GT/s01.png"),
        (lambda root: write_files(root, {"Image/x.jpg": encoded(image(7), ".jpg")}), "Image/x.jpg"),
        (lambda root: (root / "names.txt").write_text("s02\n"), "names.txt"),
        (lambda root: (root / "GT/s02.png").unlink(), "GT/s02.png"),
        (lambda root: (root / ".unpacked.json").write_text('{"GT/s02'), "GT/s02.png"),
        (lambda root: (root / ".unpacked.json").write_text("[]"), "GT/s02.png"),
    ],
)
def test_unpacked_files_are_those_of_the_archive(tmp_path, change, name):
    write_zip(tmp_path / "a.zip", pairs(3) | {"names.txt": b"s01\n"})
    mine = entry(archive="a.zip", images="Image", masks="GT", splits={"listed": "names.txt"})
    unpacked = tmp_path / "u"
    before = prepare(mine, tmp_path, unpacked, tmp_path / "out")
    (root,) = unpacked.glob("mine-*")
    change(root)
    for on_problem in ("fail", "skip"):
        with pytest.raises(UserError, match=name):
            prepare(mine, tmp_path, unpacked, tmp_path / "out", on_problem)
    (problem,) = check_dataset(mine, tmp_path, unpacked).problems
    assert name in problem and f"rm -r {root}" in problem
    (root / ".unpacked.json").unlink()  # as an earlier version left it: unpacked again
    assert prepare(mine, tmp_path, unpacked, tmp_path / "out") == before


@pytest.mark.parametrize("content", ["{", "[]", "5", '{"a": []}', '{"a": null}'])
def test_a_damaged_record_of_digests_counts_as_absent(tmp_path, content):
    for name in ("a", "record"):
        (tmp_path / name).write_text(content)
    expected = {"a": hashlib.sha256(content.encode()).hexdigest()}
    assert digests(tmp_path, ["a"], tmp_path / "record") == expected == digests(tmp_path, ["a"], tmp_path / "record")


def test_images_and_masks_by_path_need_no_folder(tmp_path, monkeypatch):
    write_files(tmp_path, pairs(2, "a/photos", "b/masks"))
    monkeypatch.chdir(tmp_path)
    for masks in ("b/masks", str(tmp_path / "b/masks/*.png")):
        mine = entry(images="a/photos", masks=masks)
        assert prepare(mine, tmp_path / "absent", tmp_path / "u", tmp_path / "out")["samples"] == 2


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_named_pipes_and_devices_are_named_and_never_read(run, tmp_path, make):
    write_files(tmp_path / "set", pairs(2))
    (tmp_path / "set/Image/s00.jpg").unlink()
    make(tmp_path / "set/Image/s00.jpg")
    identify(entry(folder="set", images="Image", masks="GT"), tmp_path, tmp_path / "u")  # as `plan` does
    with pytest.raises(UserError, match=r"Image/s00\.jpg: .*not a regular file"):
        run({})
    assert list(run({}, "skip")[0]) == ["s01"]


def test_a_name_that_is_not_utf_8_is_named(run, tmp_path):
    write_files(tmp_path / "set", pairs(2))
    (tmp_path / "set/Image/s00.jpg").rename(tmp_path / "set" / os.fsdecode(b"Image/caf\xe9.jpg"))
    with pytest.raises(UserError, match=r"Image/caf\\udce9\.jpg"):
        run({})


def test_large_images_and_masks_are_refused_before_they_are_decoded(run):
    bomb = png_header(20000, 10000, bits=8) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(UserError, match=r"GT/s00\.png: has 1,200 pixels, more than 1,199"):
        run(pairs(2), max_pixels=1199)
    bombs = {"Image/x.png": bomb, "GT/x.png": encoded(mask()), "GT/s01.png": bomb}
    with pytest.raises(UserError, match=r"GT/s01\.png: .* 200,000,000 (.|\n)*Image/x\.png: .*`max_pixels`"):
        run(bombs)


WHOLE = encoded(image(50, 200, 200), ".jpg")
CLEAR = Image.fromarray(np.dstack([mask()] * 3 + [np.full((30, 40), 128, np.uint8)]))
CLEAR.save(TRANSPARENT := io.BytesIO(), "png")
FAULTS = {  # files, keys of the entry, the file that is named
    "cut JPEG": ({"Image/s00.jpg": WHOLE[:300]}, {}, "Image/s00.jpg"),
    "cut PNG": ({"GT/s00.png": encoded(mask(0, 200, 200))[:-20]}, {}, "GT/s00.png"),
    "empty": ({"Image/s00.jpg": b""}, {}, "Image/s00.jpg"),
    "no mask": ({"Image/x.jpg": WHOLE}, {}, "Image/x.jpg"),
    "turned": ({"GT/s00.png": encoded(mask(0, 40, 30))}, {}, "GT/s00.png"),
    "colored mask": (with_mask(image(1)), {}, "GT/x.png"),
    "transparent mask": (with_mask(TRANSPARENT.getvalue()), {}, "GT/x.png"),
    "mask of 0 and 1": (with_mask(mask() // 255), {}, "foreground: 1"),
    "palette": (with_mask(palette(mask() // 255, [0, 0, 0, 200, 0, 0])), {}, "foreground: 1"),
    "JPEG ids": (with_mask(mask() // 255, ".jpg"), {"foreground": 1}, "GT/x.jpg"),
    "unknown class": (with_mask(mask() // 255 * 3), {"classes": CLASSES}, "GT/x.png"),
    "same stem": ({"Image/s00.png": encoded(image(3))}, {}, "Image/s00.jpg"),
    "no object": ({"GT/s00.png": encoded(mask() * 0), "GT/s01.png": encoded(mask() * 0)}, {}, "ood: true"),
    "short": ({}, {"count": 5}, "count"),
    "missing list": ({}, {"splits": {"train": "trian.txt"}}, "trian.txt"),
    "unknown name": ({"names.txt": b"s00\ns77\n"}, {"splits": {"val": "names.txt"}}, "s77"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_left_out_on_request(run, tmp_path, name):
    files, raw, named = FAULTS[name]
    with pytest.raises(UserError, match=named):
        run({**pairs(2), **files}, **raw)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["problems.csv"]
    assert named in (tmp_path / "out/problems.csv").read_text()
    if name != "no object":
        extra = {"Image/z.jpg": encoded(image(9), ".jpg"), "GT/z.png": encoded(mask() * 0 + 255)}
        rows, summary = run(extra, "skip", **raw)
        assert "z" in rows and summary["problems"] >= 1 and summary["samples"] == len(rows)


def test_an_alpha_channel_may_be_opaque(run):
    opaque = io.BytesIO()
    Image.fromarray(mask()).convert("RGBA").save(opaque, "png")
    assert run(with_mask(opaque.getvalue()))[1]["samples"] == 2


def test_all_faults_come_at_once(run):
    files = {"Image/a.jpg": b"", "GT/a.png": encoded(mask()), "GT/b.png": encoded(mask()), "Image/c.jpg": WHOLE}
    with pytest.raises(UserError) as error:
        run({**pairs(1), **files})
    assert all(name in str(error.value) for name in ("Image/a.jpg", "GT/b.png", "Image/c.jpg"))
    with pytest.raises(UserError, match="0 usable"):
        run({"Image/s00.jpg": b""}, "skip")


def test_grey_rgb_and_jpeg_masks_are_read(run):
    soft = mask()
    soft[5, 10:30], soft[6, 10:14] = 100, 200  # 24 grey pixels, 20 of them background
    share = pytest.approx((np.sum(soft == 255) + 4) / 1200, abs=1e-6)
    for data, suffix in ((soft, ".png"), (np.dstack([soft] * 3), ".png")):
        row = run(with_mask(data, suffix))[0]["x"]
        assert (row.grey, row.foreground) == (24, share)
    row = run({"Image/y.png": encoded(image(3)), "GT/y.jpg": encoded(np.dstack([mask()] * 3), ".jpg")})[0]["y"]
    assert row.foreground == pytest.approx(np.mean(mask() == 255), abs=1e-6)


@pytest.mark.parametrize("colors", [[0, 0, 0, 255, 255, 255], [0, 0, 0, 128, 0, 0]])
def test_foreground_is_a_value_or_the_index_of_a_palette(run, colors):
    share = pytest.approx(np.mean(mask() == 255), abs=1e-6)
    files = with_mask(palette(mask() // 255, colors), count=0)
    assert run(files, foreground=1)[0]["x"].foreground == share
    ids = np.where(mask() == 255, np.uint8(3), np.uint8(1))
    for data in (ids, of_few_bits(ids, bits=2)):
        row = run(with_mask(data, count=0), foreground=3)[0]["x"]
        assert (row.foreground, row.grey) == (share, 0)


def noted(summary: dict, text: str) -> bool:
    return any(text in note for note in summary["notes"])


def test_inverted_masks_give_a_warning_and_foreground_0_inverts_them(run, caplog):
    inverted = {f"GT/s{i:02}.png": encoded(255 - mask(i)) for i in range(4)}
    with caplog.at_level("INFO", "pipeline_src"):
        _, summary = run({**pairs(4), **inverted})
    assert noted(summary, "foreground: 0") and "foreground: 0" in caplog.text
    rows, summary = run({}, foreground=0)
    assert not noted(summary, "foreground: 0") and max(row.foreground for row in rows.values()) < 0.5
    assert not noted(run(pairs(4))[1], "WARNING")


def test_images_with_an_exif_orientation_are_named(run):
    exif = Image.Exif()
    for orientation in (1, 3):
        exif[ExifTags.Base.Orientation] = orientation
        Image.fromarray(image(99)).save(file := io.BytesIO(), "jpeg", exif=exif)
        assert noted(run(pairs(3) | {"Image/s01.jpg": file.getvalue()})[1], "Image/s01.jpg") == (orientation == 3)


def frame(video: int, number: int) -> np.ndarray:
    """A frame of a video: a scene of its own, moved a little."""
    scene = np.random.default_rng(video).integers(0, 256, (4, 4, 3), np.uint8).repeat(20, 0).repeat(20, 1)
    return np.roll(scene, number, 1)[:30, :40]


def test_near_copies_in_drawn_splits_give_a_hint_at_groups(run):
    drawn = {"val": {"of": "all", "fraction": 0.3}, "train": {"of": "all", "without": "val"}}
    files = {f"Image/v{i % 5}_{i}.png": encoded(frame(i % 5, i // 5)) for i in range(20)}
    files |= {f"GT/v{i % 5}_{i}.png": encoded(mask()) for i in range(20)}
    assert noted(run(files, splits=drawn)[1], "`groups:`")
    assert not noted(run({}, splits=drawn, groups="^(v.)_")[1], "`groups:`")
    assert not noted(run(pairs(20), images="Image/s*.jpg", masks="GT/s*.png", splits=drawn)[1], "`groups:`")


def test_ood_sets_need_no_masks(run):
    files = {name: data for name, data in pairs(3).items() if name.startswith("Image")} | {"test.txt": b"s00\ns77\n"}
    rows, summary = run(files, masks=[], ood=True, count=9, splits={"test": "test.txt"})
    assert {(row.mask, row.foreground) for row in rows.values()} == {("", 0)} and summary["problems"] == 0
    assert summary["splits"]["test"] == 1 and noted(summary, "9 expected") and noted(summary, "1 of the 2")


def test_patterns_distinguish_images_and_masks_of_one_folder(run):
    files = {f"Imgs/s{i}.png": encoded(image(i)) for i in range(2)}
    files |= {f"Imgs/s{i}_mask.png": encoded(mask(i)) for i in range(2)}
    with pytest.raises(UserError, match=r"Imgs/s0\.png"):
        run(files, images="Imgs", masks="Imgs")
    assert run(files, images="Imgs/*.png", masks="Imgs/*_mask.png")[1]["samples"] == 2
    assert run({"Imgs/B.PNG": encoded(image(2))}, images="Imgs/*.png", masks=[], ood=True)[0].keys() >= {"s0", "B"}


def test_names_in_other_forms_of_unicode_are_paired(run):
    composed, decomposed = (unicodedata.normalize(form, "blé") for form in ("NFC", "NFD"))
    files = {f"Image/{decomposed}.jpg": encoded(image(0), ".jpg"), f"GT/{composed}.png": encoded(mask())}
    rows, summary = run(files | {"val.txt": f"{decomposed}\n".encode()}, splits={"val": "val.txt"})
    assert list(rows) == [composed] and summary["splits"] == {"all": 1, "val": 1}


def test_class_ids_are_counted_with_void(run):
    ids = np.random.default_rng(0).choice([0, 1, 2, 7], (30, 40)).astype(np.uint8)
    colors = np.random.default_rng(0).integers(0, 256, 768).tolist()
    files = {"Image/a.png": encoded(image(0)), "GT/a.png": encoded(ids)}
    files |= {"Image/b.png": encoded(image(1)), "GT/b.png": palette(ids, colors)}
    files |= {"Image/c.png": encoded(image(2)), "GT/c.png": of_few_bits(ids, bits=4)}
    rows, summary = run(files, classes=CLASSES, void=7)
    assert not summary["notes"] and [row.foreground for row in rows.values()] == pytest.approx(
        [(ids != 7).mean()] * 3, abs=1e-6
    )
    files = {f"GT/{name}.png": encoded(ids % 2) for name in "abc"}
    assert noted(run(files, classes=CLASSES)[1], "tree")


def test_synthetic_sets_are_drawn_again_when_their_code_changes(tmp_path, monkeypatch):
    made = {"kind": "scenes", "counts": {"train": 2, "val": 1}, "seed": 7}
    mine = entry(generator=made, images="Image", masks="GT", splits={"val": {"folder": "val"}})
    folders = []
    for text in ("one", "one", "two"):
        (tmp_path / "code.py").write_text(text)
        monkeypatch.setattr("pipeline_src.data.sources.GENERATOR_FILES", (tmp_path / "code.py",))
        summary = prepare(mine, tmp_path / "absent", tmp_path / "u", tmp_path / "out")
        assert summary["splits"] == {"all": 3, "val": 1}
        folders.append(len(list((tmp_path / "u").glob("mine-*"))))
    assert folders == [1, 1, 2]


def test_without_files_a_set_is_identified_by_its_preparation_and_entry(tmp_path):
    downloads = tmp_path / "downloads"
    write_zip(write_files(downloads, {"names.txt": b"s01\n"}) / "a.zip", pairs(3))
    raw = {"archive": "a.zip", "images": "Image", "masks": "GT", "splits": {"listed": "names.txt"}}
    summary = prepare(entry(**raw), downloads, tmp_path / "u", tmp_path / "out")
    assert json.loads((tmp_path / "out/summary.json").read_text()) == summary
    here = identify(entry(**raw), downloads, tmp_path / "u")

    def absent(**changes):
        return identify(entry(**raw | changes), tmp_path / "wrong", tmp_path / "none", tmp_path / "out")

    assert not here.unchecked and absent().parameters == here.parameters and "wrong" in absent().unchecked
    for change in ({"splits": {"listed": "others.txt"}}, {"foreground": 1}, {"archive": "b.zip"}, {"ood": True}):
        with pytest.raises(MissingSourceError):
            absent(**change)
    (tmp_path / "out/summary.json").write_text("[]")
    with pytest.raises(MissingSourceError):
        absent()
