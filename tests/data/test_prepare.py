"""Verification: every fault of a data set is found and told, under both policies."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import sys
import types
from functools import partial

import cv2
import numpy as np
import pytest
from made_sets import encoded, entry, image, mask, pairs, write_files, write_tar, write_zip
from PIL import Image

from pipeline_src.data import image_io, manifest, sources
from pipeline_src.data.identity import identify
from pipeline_src.data.part_checks import check_disjoint
from pipeline_src.data.prepare import prepare
from pipeline_src.errors import UserError
from pipeline_src.params.parts import Part


@pytest.fixture
def run(tmp_path):
    """Write files into a folder set and prepare it."""

    def run(files: dict[str, bytes], on_problem: str = "fail", **raw):
        root = write_files(tmp_path / "downloads", {f"set/{name}": data for name, data in files.items()})
        mine = entry(**{"folder": "set", "images": "Image", "masks": "GT", **raw})
        return prepare(mine, root, tmp_path / "unpacked", tmp_path / "out", on_problem)

    run.out = tmp_path / "out"
    run.downloads = tmp_path / "downloads"
    return run


def problems(folder) -> dict[str, str]:
    with open(folder / "problems.csv", newline="") as file:
        return {row["file"]: row["problem"] for row in csv.DictReader(file)}


def test_a_clean_set_is_listed(run):
    files = pairs(4)
    summary = run(files)
    rows = manifest.read(run.out)
    assert [row.id for row in rows] == [f"mine/s{i:02}" for i in range(4)]
    assert problems(run.out) == {} and summary["samples"] == 4 and summary["splits"] == {"all": 4}
    for i, row in enumerate(rows):
        assert (row.height, row.width, row.grey, row.image) == (30, 40, 0, f"Image/s{i:02}.jpg")
        assert row.foreground == pytest.approx(np.mean(mask(i) == 255), abs=1e-6)
        assert row.sha256_image == hashlib.sha256(files[row.image]).hexdigest()


def test_zip_tar_and_folder_give_the_same_manifest_wherever_they_lie(tmp_path):
    files, texts = pairs(3), []
    for i, write in enumerate((write_zip, write_tar, lambda path, files: write_files(path, files))):
        root = tmp_path / f"root{i}"
        root.mkdir()
        write(root / "data", files)
        mine = entry(**{"folder" if i == 2 else "archive": "data"}, images="Image", masks="GT")
        prepare(mine, root, root / "unpacked", root / "out")
        texts.append((root / "out" / "manifest.csv").read_bytes())
        assert str(tmp_path) not in (root / "out" / "summary.json").read_text()
        prepare(mine, root, root / "unpacked", root / "again")
        for name in ("manifest.csv", "summary.json", "problems.csv"):
            assert (root / "out" / name).read_bytes() == (root / "again" / name).read_bytes()
    assert texts[0] == texts[1] == texts[2]


def test_images_and_masks_by_path_are_enough(tmp_path, monkeypatch):
    write_files(tmp_path, pairs(2, "a/photos", "b/masks"))
    monkeypatch.chdir(tmp_path)
    for mine in (
        entry(images="a/photos", masks="b/masks"),
        entry(images=str(tmp_path / "a/photos"), masks=str(tmp_path / "b/masks/*.png")),
    ):
        assert prepare(mine, None, tmp_path / "u", tmp_path / "out")["samples"] == 2
    with pytest.raises(UserError, match=r"is not available(.|\n)*a/nothing/"):
        prepare(entry(images="a/nothing", masks="b/masks"), None, tmp_path / "u", tmp_path / "out")


def faulty() -> tuple[dict[str, bytes], dict[str, str]]:
    """Files of a set with two good samples and every fault, and what has to be said of each file."""
    whole_jpg, whole_png = encoded(image(50, 200, 200), ".jpg"), encoded(image(51))
    colour = encoded(image(52))
    clear = np.dstack([mask()] * 3 + [np.full((30, 40), 128, np.uint8)])
    files = {
        **pairs(2),
        "Image/cut.jpg": whole_jpg[: len(whole_jpg) // 2],
        "GT/cut.png": encoded(mask(0, 200, 200)),
        "Image/cutpng.png": whole_png[: len(whole_png) // 2],
        "GT/cutpng.png": encoded(mask()),
        "Image/empty.jpg": b"",
        "GT/empty.png": encoded(mask()),
        "Image/text.jpg": b"<html>not found</html>",
        "GT/text.png": encoded(mask()),
        "Image/brokenmask.jpg": encoded(image(3), ".jpg"),
        "GT/brokenmask.png": b"\x89PNG nothing",
        "Image/lonely.jpg": encoded(image(4), ".jpg"),
        "GT/widow.png": encoded(mask()),
        "Image/size.jpg": encoded(image(5), ".jpg"),
        "GT/size.png": encoded(mask(0, 30, 41)),
        "Image/turned.jpg": encoded(image(6), ".jpg"),
        "GT/turned.png": encoded(mask(0, 40, 30)),
        "Image/colour.jpg": encoded(image(7), ".jpg"),
        "GT/colour.png": colour,
        "Image/deep.jpg": encoded(image(8), ".jpg"),
        "GT/deep.png": encoded(mask().astype(np.uint16) * 257),
        "Image/alpha.jpg": encoded(image(9), ".jpg"),
        "GT/alpha.png": cv2.imencode(".png", clear)[1].tobytes(),
        "Image/ones.jpg": encoded(image(10), ".jpg"),
        "GT/ones.png": encoded(mask() // 255),
        "Image/two.jpg": encoded(image(11), ".jpg"),
        "Image/two.png": encoded(image(12)),
        "GT/two.png": encoded(mask()),
    }
    told = {
        "Image/cut.jpg": "cut off",
        "Image/cutpng.png": "cut off",
        "Image/empty.jpg": "empty",
        "Image/text.jpg": "cannot be decoded",
        "GT/brokenmask.png": "cut off",
        "Image/lonely.jpg": "without a mask",
        "GT/widow.png": "without an image",
        "GT/size.png": "41 x 30, its image 40 x 30",
        "GT/turned.png": "30 x 40, its image 40 x 30",
        "GT/colour.png": "coloured",
        "GT/deep.png": "uint16",
        "GT/alpha.png": "transparent",
        "GT/ones.png": "no value above 1",
        "Image/two.jpg": "same stem",
        "Image/two.png": "same stem",
    }
    return files, told


def test_fail_tells_every_problem_at_once_and_writes_no_manifest(run):
    files, told = faulty()
    with pytest.raises(UserError) as error:
        run(files)
    found = problems(run.out)
    assert set(found) == set(told)
    for file, text in told.items():
        assert text in found[file] and file in str(error.value)
    assert "on_problem: skip" in str(error.value)
    assert sorted(path.name for path in run.out.iterdir()) == ["problems.csv"]


def test_skip_leaves_out_what_is_wrong_and_says_so(run, caplog):
    files, told = faulty()
    with caplog.at_level("INFO", "pipeline_src"):
        summary = run(files, "skip", count=2)
    assert [row.stem for row in manifest.read(run.out)] == ["s00", "s01"]
    assert summary["samples"] == 2 and summary["problems"] == len(told) == len(problems(run.out))
    assert f"{len(told)} problems" in caplog.text


def test_images_without_a_mask_may_be_no_part_of_a_set(run):
    summary = run({**pairs(3), "Image/more.jpg": encoded(image(9), ".jpg")}, skip_unmasked=True)
    assert (summary["samples"], summary["problems"], summary["left_out"]) == (3, 0, 0)


def test_skip_with_nothing_left_fails(run):
    with pytest.raises(UserError, match="0 usable samples"):
        run({"Image/a.jpg": b"", "GT/a.png": b""}, "skip")


def test_a_short_count_is_a_problem(run):
    with pytest.raises(UserError, match="has 3 usable samples, 5 expected"):
        run(pairs(3), count=5)
    assert run(pairs(3), "skip", count=5)["problems"] == 1
    assert run(pairs(3), count=3)["expected"] == 3


def test_grey_rgb_and_jpeg_masks_are_read_and_grey_pixels_counted(run):
    soft = mask()
    soft[5, 10:30], soft[6, 10:14] = 100, 200  # 24 grey pixels, 20 of them background
    files = {
        "Image/soft.png": encoded(image(0)),
        "GT/soft.png": encoded(soft),
        "Image/rgb.png": encoded(image(1)),
        "GT/rgb.png": encoded(np.dstack([soft] * 3)),
        "Image/none.png": encoded(image(2)),
        "GT/none.png": encoded(np.zeros((30, 40), np.uint8)),
        "Image/jpeg.png": encoded(image(3)),
        "GT/jpeg.jpg": encoded(np.dstack([mask()] * 3), ".jpg"),
    }
    summary = run(files)
    rows = {row.stem: row for row in manifest.read(run.out)}
    assert rows["soft"].grey == rows["rgb"].grey == 24
    assert (
        rows["soft"].foreground == rows["rgb"].foreground == pytest.approx((np.sum(soft == 255) + 4) / 1200, abs=1e-6)
    )
    assert rows["jpeg"].foreground == pytest.approx(np.mean(mask() == 255), abs=1e-6)
    assert summary["empty_masks"] == 1 and summary["grey_pixels"] == sum(row.grey for row in rows.values())
    assert any("grey" in note for note in summary["notes"]) and "1 masks have no object" in summary["notes"]


def test_foreground_names_the_value_of_the_object(run):
    labels = np.where(mask() == 255, np.uint8(3), np.uint8(1))
    files = {"Image/a.png": encoded(image(0)), "GT/a.png": encoded(labels)}
    run(files, foreground=3)
    (row,) = manifest.read(run.out)
    assert row.foreground == pytest.approx(np.mean(mask() == 255), abs=1e-6) and row.grey == 0


def test_foreground_is_the_index_of_a_palette(run):
    for colours in ([0, 0, 0, 255, 255, 255], [0, 0, 0, 128, 0, 0]):
        picture, file = Image.fromarray(mask() // 255, "P"), io.BytesIO()
        picture.putpalette(colours)
        picture.save(file, "png")
        assert np.array_equal(image_io.decode_mask(file.getvalue(), 1), mask())
        run({"Image/a.png": encoded(image(0)), "GT/a.png": file.getvalue()}, foreground=1)
        (row,) = manifest.read(run.out)
        assert row.foreground == pytest.approx(np.mean(mask() == 255), abs=1e-6)


def test_values_besides_the_foreground_are_noted(run):
    odd = mask() // 255
    odd[0, 0], odd[1, 1] = 255, 2
    summary = run({**pairs(1), "Image/odd.png": encoded(image(1)), "GT/odd.png": encoded(odd)}, foreground=1)
    assert "2 masks have values besides 0 and `foreground`, which count as background: 2, 255" in summary["notes"]


@pytest.mark.parametrize(("value", "told"), [(100, "write `foreground: 100`"), (0, "write `ood: true`")])
def test_masks_that_are_all_empty_are_a_problem(run, value, told):
    files = {name: data for name, data in pairs(2).items() if name.startswith("Image")}
    files |= {f"GT/s{i:02}.png": encoded(mask(i) // 255 * np.uint8(value)) for i in range(2)}
    with pytest.raises(UserError, match=f"GT: no mask has an object; (.*){told}"):
        run(files)


def test_ood_needs_no_masks(run):
    files = {name: data for name, data in pairs(3).items() if name.startswith("Image")}
    summary = run(files, masks=[], ood=True)
    assert summary["samples"] == 3 and summary["empty_masks"] == 0
    assert {row.mask for row in manifest.read(run.out)} == {""}


def test_images_and_masks_in_one_folder_need_a_pattern(run):
    files = pairs(2, "Imgs", "Imgs")
    with pytest.raises(UserError, match="the same files are images and masks"):
        run(files, images="Imgs", masks="Imgs")
    assert run(files, images="Imgs/*.jpg", masks="Imgs/*.png")["samples"] == 2


def test_an_ending_tells_masks_from_images_of_the_same_folder(run):
    files = {}
    for i in range(2):
        files |= {f"Imgs/s{i}.png": encoded(image(i)), f"Imgs/s{i}_mask.png": encoded(mask(i))}
    assert run(files, images="Imgs/*.png", masks="Imgs/*_mask.png")["samples"] == 2


def test_splits_keep_the_order_of_their_lists(run):
    run.downloads.mkdir()
    (run.downloads / "splits").mkdir()
    (run.downloads / "splits/train.txt").write_text("s03.jpg\ns00.jpg\ns05.png\n")
    (run.downloads / "more.txt").write_text("s01\n")
    splits = {
        "train": ["train.txt", "more.txt"],
        "val": {"of": "all", "fraction": 0.25, "seed": 1},
        "rest": {"of": "all", "without": "val"},
    }
    summary = run(pairs(8), splits=splits)
    stems = {
        name: [row.stem for row in manifest.select(Part(set="mine", split=name), run.out)]
        for name in ("train", "val", "rest")
    }
    assert stems["train"] == ["s03", "s00", "s05", "s01"]
    assert len(stems["val"]) == 2 and sorted(stems["val"] + stems["rest"]) == [f"s{i:02}" for i in range(8)]
    assert summary["splits"] == {"all": 8, "train": 4, "val": 2, "rest": 6}
    part = partial(Part, set="mine", split="train")
    assert [row.stem for row in manifest.select(part(first=2), run.out)] == ["s03", "s00"]
    assert [row.stem for row in manifest.select(part(last=2), run.out)] == ["s05", "s01"]
    with pytest.raises(UserError, match="last 5 of mine/train has too few samples"):
        manifest.select(part(last=5), run.out)


def test_a_name_list_of_ones_own_has_to_be_there(run):
    with pytest.raises(UserError, match=r"trian.txt: the name list of split train is missing"):
        run(pairs(2), splits={"train": "trian.txt"})
    ours = entry(folder="set", images="Image", masks="GT", splits={"train": "late.txt"})
    ours = ours.model_copy(update={"built_in": True})
    summary = prepare(ours, run.downloads, run.out.parent / "u", run.out)
    assert summary["splits"]["train"] == 0
    assert any("late.txt is not in the folder" in note for note in summary["notes"])


def test_an_empty_split_is_noted(run):
    assert "split val is empty" in run(pairs(3), splits={"val": {"of": "all", "fraction": 0.1}})["notes"]


def test_name_lists_may_lie_inside_the_set(tmp_path):
    write_zip(tmp_path / "set.zip", {**pairs(4), "lists/train.txt": b"s01\ns03\n", "test.txt": b"s00\n"})
    write_files(tmp_path, {"test.txt": b"s02\n"})  # not the set's own
    mine = entry(archive="set.zip", images="Image", masks="GT", splits={"train": "lists/train.txt", "test": "test.txt"})
    prepare(mine, tmp_path, tmp_path / "u", tmp_path / "out")
    splits = {row.stem: list(row.splits) for row in manifest.read(tmp_path / "out")}
    assert splits == {"s00": ["test"], "s01": ["train"], "s02": [], "s03": ["train"]}


def test_fewer_textures_than_named_are_noted(run):
    run.downloads.mkdir()
    (run.downloads / "test.txt").write_text("s00\ns77\ns78\n")
    files = {name: data for name, data in pairs(3).items() if name.startswith("Image")}
    summary = run(files, masks=[], ood=True, count=9, splits={"test": "test.txt", "official": "test.txt"})
    assert summary["problems"] == 0 and summary["splits"]["test"] == 1
    assert summary["notes"] == ["has 3 usable samples, 9 expected", "1 of the 3 names of test.txt are available"]


def test_a_seeded_share_depends_on_the_seed_and_hardly_on_the_other_files(run):
    def chosen(count: int, seed: int) -> set[str]:
        run(pairs(count), splits={"val": {"of": "all", "fraction": 0.25, "seed": seed}})
        return {row.stem for row in manifest.select(Part(set="mine", split="val"), run.out)}

    few = chosen(16, 0)
    assert few != chosen(16, 1) and len(few & chosen(20, 0)) >= 3


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_drawn_splits_draw_whole_groups(run, fraction):
    """Ten patients of four images; two of them share an image, too, and come together."""
    files = {name.replace("/s", f"/p{int(name[-6:-4]) // 4}-"): data for name, data in pairs(40).items()}
    files["Image/p1-04.jpg"] = files["Image/p0-00.jpg"]
    drawn = {"val": {"of": "all", "fraction": fraction}, "train": {"of": "all", "without": "val"}}
    summary = run(files, groups="^(p.)-", splits=drawn)
    patients = [{row.stem[:2] for row in manifest.read(run.out) if split in row.splits} for split in drawn]
    assert patients[0] and not patients[0] & patients[1] and len({"p0", "p1"} & patients[0]) != 1
    assert summary["splits"]["val"] == 4 * len(patients[0]) >= 40 * fraction
    assert not any("share" in note for note in summary["notes"])
    exact = summary["splits"]["val"] == 40 * fraction
    assert any("groups are drawn whole" in note for note in summary["notes"]) == (not exact)
    run(files, splits=drawn)
    patients = [{row.stem[:2] for row in manifest.read(run.out) if split in row.splits} for split in drawn]
    assert patients[0] & patients[1]  # without groups they are torn


def test_shares_of_built_in_sets_stay(run):
    """Results on them are published."""
    files = {name.replace("/s", f"/p{int(name[-6:-4]) // 4}-"): data for name, data in pairs(40).items()}
    drawn = {"val": {"of": "all", "fraction": 0.25}, "train": {"of": "all", "without": "val"}}
    run(files, splits=drawn)
    before = manifest.read(run.out)
    ours = entry(folder="set", images="Image", masks="GT", splits=drawn, groups="^(p.)-")
    ours = ours.model_copy(update={"built_in": True})
    prepare(ours, run.downloads, run.out, run.out, "fail")
    assert manifest.read(run.out) == before


def test_names_without_a_file_are_problems(run):
    run.downloads.mkdir()
    (run.downloads / "val.txt").write_text("s00\ns77\ns78\ns00\n")
    with pytest.raises(UserError, match=r"s77 of split val(.|\n)*s78 of split val"):
        run(pairs(2), splits={"val": "val.txt"})
    summary = run(pairs(2), "skip", splits={"val": "val.txt"})
    assert summary["splits"]["val"] == 1 and summary["problems"] == 2
    assert "name list val.txt has s00 more than once" in summary["notes"]


def test_splits_by_folder(run):
    files = {
        **pairs(2, "Train/img", "Train/gt"),
        **{k.replace("s0", "t0"): v for k, v in pairs(3, "Test/img", "Test/gt").items()},
    }
    splits = {"train": {"folder": "Train"}, "test": {"folder": "Test"}}
    assert run(files, images="img", masks="gt", splits=splits)["splits"] == {"all": 5, "train": 2, "test": 3}


def test_a_split_is_of_folders_that_have_its_whole_name(run):
    """Neither `val/img/test_1.jpg` nor what lies in `contest/` or `tests/` is of the folder `test`."""
    names = ("test/*/a", "val/*/test_1", "contest/*/b", "tests/*/c")
    files = {f"{name.replace('*', 'img')}.jpg": encoded(image(i), ".jpg") for i, name in enumerate(names)}
    files |= {f"{name.replace('*', 'gt')}.png": encoded(mask(i)) for i, name in enumerate(names)}
    splits = {name: {"folder": name} for name in ("test", "val")}
    run(files, images="img", masks="gt", splits=splits)
    assert {row.stem: [*row.splits] for row in manifest.read(run.out)} == {
        "a": ["test"],
        "test_1": ["val"],
        "b": [],
        "c": [],
    }


def test_identical_images_are_reported(run):
    files = pairs(4)
    files["Image/s03.jpg"] = files["Image/s00.jpg"]
    run.downloads.mkdir()
    (run.downloads / "a.txt").write_text("s00\ns01\n")
    (run.downloads / "b.txt").write_text("s02\ns03\n")
    summary = run(files, splits={"train": "a.txt", "val": "b.txt"})
    assert summary["identical_images"] == [["mine/s00", "mine/s03"]]
    assert "1 pairs of byte-identical images, 1 of them across splits" in summary["notes"]
    parts = {name: manifest.select(Part(set="mine", split=name), run.out) for name in ("train", "val")}
    assert check_disjoint(parts) == {("train", "val"): [("mine/s00", "mine/s03")]}


@pytest.mark.parametrize("seed", range(4))
def test_identical_images_are_drawn_together(run, seed):
    files = pairs(8)
    for name, copy in (("s00", "s05"), ("s02", "s03")):
        files[f"Image/{copy}.jpg"] = files[f"Image/{name}.jpg"]
    splits = {"val": {"of": "all", "fraction": 0.5, "seed": seed}, "train": {"of": "all", "without": "val"}}
    assert len(run(files, splits=splits)["identical_images"]) == 2
    parts = {name: manifest.select(Part(set="mine", split=name), run.out) for name in splits}
    assert check_disjoint(parts) == {}


def test_parts_that_overlap_are_refused(run):
    run(pairs(6))
    first, last = Part(set="mine", first=4), Part(set="mine", last=3)
    rows = [manifest.select(part, run.out) for part in (first, last)]
    for one, two in (("train", "val"), ("train", "ecssd"), ("ecssd", "val")):
        with pytest.raises(UserError, match=f"{one} and {two} share 1 samples, the first is mine/s03"):
            check_disjoint({one: rows[0], two: rows[1]})
    assert check_disjoint({"train": rows[0][:3], "held": rows[1], "ecssd": rows[1]}) == {}


def test_generated_sets_are_made_once_and_anew_when_their_code_changes(tmp_path, monkeypatch):
    calls = []

    def write_set(kind, split, count, seed, folder, **options):
        calls.append((kind, split, count, seed, options))
        for i in range(count):
            name = f"{split}-{i}"
            write_files(
                folder, {f"Image/{name}.png": encoded(image(len(calls) * 100 + i)), f"GT/{name}.png": encoded(mask(i))}
            )

    module = types.ModuleType("pipeline_src.data.synthetic.scenes")
    module.write_set = write_set
    monkeypatch.setitem(sys.modules, "pipeline_src.data.synthetic.scenes", module)
    splits = {name: {"folder": name} for name in ("train", "val")}
    made = {"kind": "scenes", "counts": {"train": 3, "val": 2}, "seed": 7, "options": {"size": 30}}
    mine = entry(generator=made, images="Image", masks="GT", splits=splits)
    for _ in range(2):
        summary = prepare(mine, None, tmp_path / "u", tmp_path / "out")
    assert summary["splits"] == {"all": 5, "train": 3, "val": 2}
    assert calls == [("scenes", "train", 3, 7, {"size": 30}), ("scenes", "val", 2, 7, {"size": 30})]
    other_version = tmp_path / "other_version.py"
    other_version.write_text("")
    monkeypatch.setattr(sources, "GENERATOR_FILES", (other_version,))
    assert prepare(mine, None, tmp_path / "u", tmp_path / "out")["identity"] == summary["identity"]
    assert len(calls) == 4


def test_a_missing_system_library_is_told_with_the_packages_that_bring_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.delitem(sys.modules, "pipeline_src.data.image_io")
    with pytest.raises(UserError, match=r"apt-get install libgl1 libglib2\.0-0"):
        __import__("pipeline_src.data.image_io")


def test_the_stored_pixels_count_not_an_orientation_tag(tmp_path):
    data = encoded(image(0, 20, 30), ".jpg")
    # an EXIF segment that asks for a quarter turn
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    exif = b"Exif\x00\x00" + tiff
    tagged = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(tagged, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (30, 20)  # the tag is read
    assert np.array_equal(image_io.decode_image(tagged), image_io.decode_image(data))
    assert image_io.decode_image(data).shape == (20, 30, 3)


SPLITS = {"val": {"of": "all", "fraction": 0.5}, "listed": "names.txt"}


@pytest.fixture
def clone(tmp_path):
    """Identity of a set of an archive without its files, after its entry has changed, and what was prepared."""
    downloads = tmp_path / "downloads"
    write_zip(write_files(downloads, {"names.txt": b"s01\n"}) / "a.zip", pairs(3))
    raw = {"archive": "a.zip", "images": "Image", "masks": "GT", "splits": SPLITS}
    summary = prepare(entry(**raw), downloads, tmp_path / "u", tmp_path / "out")
    assert json.loads((tmp_path / "out/summary.json").read_text()) == summary

    def clone(data_root=None, **changes):
        return identify(entry(**{**raw, **changes}), data_root, tmp_path / "none", tmp_path / "out")

    clone.here = identify(entry(**raw), downloads, tmp_path / "u")
    return clone


def test_without_its_files_a_set_is_what_it_was_prepared_from_and_that_is_said(clone, tmp_path):
    assert not clone.here.unchecked
    absent = clone()
    assert absent.parameters == clone.here.parameters
    assert "mine is not available, so it can't be checked here" in absent.unchecked
    assert f"there is no folder {tmp_path}/wrong" in clone(tmp_path / "wrong").unchecked


@pytest.mark.parametrize(
    "change",
    [
        {"splits": SPLITS | {"val": {"of": "all", "fraction": 0.25}}},
        {"splits": SPLITS | {"listed": "others.txt"}},
        {"foreground": 1},
        {"masks": "GT2"},
        {"archive": "b.zip"},
        {"archive": [], "folder": "a"},
        {"sha256": "0" * 64},
        {"count": 3},
        {"ood": True},
    ],
    ids=str,
)
def test_without_its_files_a_changed_entry_counts(clone, change):
    changed = clone(**change)
    assert changed.parameters != clone.here.parameters and "can't be checked here" in changed.unchecked
    if change.keys() & {"archive", "sha256"}:
        assert "its entry names other files" in changed.unchecked


def test_images_given_by_path_are_identified_without_them(tmp_path):
    root = write_files(tmp_path / "downloads", pairs(2, "a/photos", "b/masks"))
    raw = {"images": "a/photos", "masks": "b/masks"}
    prepare(entry(**raw), root, tmp_path / "u", tmp_path / "out")
    here = identify(entry(**raw), root, tmp_path / "u")
    for changes, same in (({}, True), ({"foreground": 1}, False), ({"masks": "b/other"}, False)):
        absent = identify(entry(**{**raw, **changes}), None, tmp_path / "none", tmp_path / "out")
        assert (absent.parameters == here.parameters) == same


def test_files_that_changed_since_they_were_unpacked_are_refused(tmp_path):
    write_zip(tmp_path / "a.zip", pairs(2))
    mine = entry(archive="a.zip", images="Image", masks="GT")
    prepare(mine, tmp_path, tmp_path / "u", tmp_path / "out")
    (path,) = (tmp_path / "u").glob("mine-*/GT/s00.png")
    data = path.read_bytes()
    for change in (
        lambda: path.write_bytes(encoded(mask(3))),
        lambda: path.unlink(),
        lambda: (path.parent / "s09.png").write_bytes(data),
        *(
            lambda text=text: (path.parents[1] / sources.UNPACKED).write_text(text)
            for text in ("[]", "[1]", "3", "null", '"x"', "", "{", "{}")
        ),
    ):
        change()
        said = r"(have changed since they were unpacked|\.files\.json is damaged)(.|\n)*remove .*/mine-"
        with pytest.raises(UserError, match=said):
            prepare(mine, tmp_path, tmp_path / "u", tmp_path / "out")
        shutil.rmtree(path.parents[1])
        prepare(mine, tmp_path, tmp_path / "u", tmp_path / "out")
