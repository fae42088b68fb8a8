"""Files that `judge` must not read wrongly: refused with the reason, or read as they were meant."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline_src.errors import UserError
from pipeline_src.judging import calibrated_files
from pipeline_src.judging import folder as judging
from pipeline_src.judging.files import FILES, UnusableFileError, readable
from pipeline_src.judging.folder import judge_folder

SHAPE = (24, 32)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]
DISC = np.hypot(Y - 12, X - 14) < 7
P = np.where(DISC, 0.8, 0.3).astype(np.float32)  # accuracy 1
LABELS = np.uint8(DISC * (1 + (X > 14)))
THREE = np.float32([0.1, 0.2, 0.7])[(np.arange(3)[:, None, None] - LABELS - 1) % 3]  # accuracy 1


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Judge what was put into the folders `maps` and `masks`."""
    (tmp_path / "maps").mkdir(), (tmp_path / "masks").mkdir()
    monkeypatch.chdir(tmp_path)

    def run(name="net", out="out", mask="masks", **options):
        options = {"resamples": 0, "whole": False, **options}
        return judge_folder(Path("maps"), mask and Path(mask), name, Path(out), **options)

    return run


def put(folder, **files):
    """Save arrays by stem: integers as PNG, floats and bool as .npy."""
    for stem, array in files.items():
        if array.dtype.kind == "u" and array.ndim == 2:
            cv2.imwrite(f"{folder}/{stem}.png", array)
        else:
            np.save(f"{folder}/{stem}.npy", array)


def refused(judged, *words, **options):
    with pytest.raises(UserError) as error:
        judged(**options)
    for each in words:
        assert each in str(error.value), str(error.value)
    assert not os.path.exists(options.get("out", "out"))


def with_void(values, void):
    marked = values.copy()
    marked[:3] = void
    return marked


def palette(path, indices, colours):
    picture = Image.fromarray(indices, "P")
    picture.putpalette(colours)
    picture.save(path)


def test_a_jpeg_mask_that_was_cut_off_is_refused(judged):
    put("maps", a=P, b=P)
    for stem in "ab":
        cv2.imwrite(f"masks/{stem}.jpg", np.uint8(255 * DISC))
    assert judged(out="whole")["raw"]["accuracy"] == 1
    data = Path("masks/b.jpg").read_bytes()
    Path("masks/b.jpg").write_bytes(data[: len(data) * 2 // 3])
    Path("masks/a.jpg").write_bytes(b"")
    refused(judged, "b.jpg: the file is cut off", "a.jpg: the file is empty")


def test_composed_and_decomposed_names_are_the_same(judged):
    for form, folder, array in (("NFC", "maps", P), ("NFD", "masks", DISC)):
        put(folder, x=array)
        os.rename(f"{folder}/x.npy", f"{folder}/{unicodedata.normalize(form, 'é')}.npy")
    assert judged()["n_images"] == 1
    assert "é" in Path("out/images.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("colours", [[0, 0, 0, 128, 0, 0, 0, 128, 0], [0, 0, 0, 2, 2, 2, 1, 1, 1]])
def test_class_ids_are_the_indices_of_a_palette(judged, colours):
    put("maps", a=THREE)
    palette("masks/a.png", LABELS, colours)
    assert judged()["raw"]["accuracy"] == 1


def test_palettes_of_binary_masks(judged):
    put("maps", a=P)
    palette("masks/a.png", np.uint8(DISC), [0, 0, 0, 128, 0, 0])  # coloured: its indices 0 and 1
    assert judged(out="colour")["raw"]["accuracy"] == 1
    palette("masks/a.png", np.uint8(~DISC), [255, 255, 255, 0, 0, 0])  # grey: as it looks
    assert judged(out="grey")["raw"]["accuracy"] == 1
    palette("masks/a.png", LABELS, [0, 0, 0, 128, 0, 0, 0, 128, 0])
    refused(judged, "the values 0 (a.png), 1 (a.png), 2 (a.png)")


def test_what_masks_mean_is_decided_for_the_folder(judged):
    put("maps", a=P, b=P)
    ones = np.uint8(DISC)
    put("masks", a=ones, b=with_void(ones, 255))
    refused(judged, "masks in masks", "255 (b.png)", "--ignore 255")
    result = judged(out="void", ignore=255)
    assert result["raw"]["accuracy"] == 1 and result["n_pixels"] == (24 + 21) * 32
    put("masks", a=3 * ones, b=0 * ones)
    refused(judged, "3 (a.png)", "0 and 255, or 0 and 1", "255 * (mask == 3)")
    put("masks", a=255 * ones, b=ones)  # 0 and 255 beside 0 and 1
    refused(judged, "1 (b.png)", "255 (a.png)")
    put("masks", a=cv2.GaussianBlur(255 * ones, (5, 5), 0), b=0 * ones + 1)  # soft edges, and a trace of grey
    result = judged(out="soft")
    assert "neither 0 nor 255" in result["warnings"][0] and 0.4 < result["raw"]["accuracy"] < 1
    put("masks", a=255 * ones, b=with_void(255 * ones, 128))
    assert any("--ignore 128" in line for line in judged(out="128")["warnings"])


def test_maps_in_subfolders_count_by_their_path(judged):
    for folder, array in (("maps", P), ("masks", np.uint8(255 * DISC))):
        Path(folder, "v/1").mkdir(parents=True)
        put(folder, b=array), put(f"{folder}/v/1", b=array)
    result = judged(groups="^([^/]+)")
    assert result["n_images"] == 2 and result["raw"]["accuracy"] == 1
    ids = [line.split(",")[0] for line in Path("out/images.csv").read_text().splitlines()]
    assert sorted(ids[1:]) == ["b", "v/1/b"]
    judge_folder(Path("maps"), Path("masks"), "net", Path("maps/judged"), resamples=0, whole=False)
    assert judged()["n_images"] == 2  # without statistic.npz of the results among the maps
    put("masks/v/1", b=np.uint8(255 * DISC[:, :20]))
    refused(judged, "v/1/b.npy: height x width 24 x 32, but", out="none")


def test_all_masks_without_an_object_are_told(judged):
    put("maps", a=P)
    for value, words in ((0, "no mask has an object"), (255, "every mask pixel is of the object")):
        put("masks", a=np.full(SHAPE, value, np.uint8))
        assert any(words in line for line in judged()["warnings"])
    put("masks", a=np.uint8(255 * DISC))
    assert not any("object" in line for line in judged()["warnings"])


@pytest.mark.parametrize("scale", [np.uint16(4095 * P), np.uint16(10_000 * P), np.uint8(100 * P)])
def test_integer_maps_on_another_scale_are_told(judged, scale):
    put("maps", a=scale), put("masks", a=DISC)
    assert any("on another scale" in line for line in judged()["warnings"])
    put("masks", a=0 * DISC)  # of images without objects none is expected to be sure
    assert not any("on another scale" in line for line in judged()["warnings"])
    put("maps", a=np.uint16(65535 * P)), put("masks", a=DISC)
    assert not judged()["warnings"]


def test_float_masks_of_0_and_255_are_read(judged):
    put("maps", a=P), put("masks", a=np.float32(255 * DISC))
    assert judged()["raw"]["accuracy"] == 1


def test_an_ignored_value_that_takes_all_objects_or_nothing(judged):
    put("maps", a=P), put("masks", a=np.uint8(255 * DISC))
    refused(judged, "--ignore 255 leaves out what seems to be the object", ignore=255)
    assert "no mask pixel has the value 7" in judged(ignore=7)["warnings"][0]
    with pytest.raises(UserError, match="--ignore applies to masks"):
        judged(ignore=7, mask=None)


def test_integer_maps_that_stay_low_are_no_probabilities(judged):
    put("masks", a=DISC, b=DISC)
    hard = np.uint8(DISC)
    put("maps", a=hard, b=hard)
    refused(judged, "decisions 0 and 1", "round(255 * probability)")
    put("maps", a=np.uint16(255 * P), b=np.uint16(255 * P))
    refused(judged, "uint16", "8-bit values")
    put("maps", a=hard, b=np.uint8(255 * P))  # one such map alone may be of an image where the model sees nothing
    judged(out="one")
    put("maps", a=0 * hard, b=0 * hard)
    assert "every map is 0 everywhere" in judged(out="zero")["warnings"]


def test_decisions_are_no_probabilities(judged):
    put("maps", a=np.float32(DISC), b=np.uint8(255 * DISC)), put("masks", a=DISC, b=DISC)
    (warning,) = judged()["warnings"]
    assert "the maps hold 0 and 1 alone" in warning and "swapped" not in warning
    put("maps", a=P)
    assert not judged()["warnings"]
    put("maps", a=np.float32(DISC)), put("masks", b=P)  # a map among the masks
    Path("masks/a.npy").unlink(), Path("maps/a.npy").unlink()
    assert any("are --pred and --mask swapped?" in line for line in judged()["warnings"])


def test_decisions_of_several_classes_are_no_probabilities(judged):
    put("maps", a=np.float32(np.arange(3)[:, None, None] == LABELS)), put("masks", a=LABELS)
    (warning,) = judged()["warnings"]
    assert "the maps hold 0 and 1 alone" in warning
    put("maps", a=THREE)
    assert not judged()["warnings"]


def test_few_images_have_intervals_that_are_too_narrow(judged):
    def few(images: int, **options) -> list[str]:
        for stem in "abcdefghij"[:images]:
            put("maps", **{stem: P}), put("masks", **{stem: DISC})
        return [line for line in judged(resamples=20, **options)["warnings"] if "intervals" in line]

    assert few(1) == ["one image has no intervals"]
    assert "over 9 images" in few(9)[0] and not few(9, groups="([a-z])")
    assert few(10) == ["intervals over 10 images are too narrow where a few are far worse"]


def test_classes_of_an_image_one_pixel_wide(judged):
    put("maps", a=THREE[:, :, 14:15]), put("masks", a=LABELS[:, 14:15])
    assert judged()["n_classes"] == 3
    put("maps", a=P[..., None]), put("masks", a=np.uint8(255 * DISC))
    assert judged(out="binary")["raw"]["max_f"] == 1


def test_the_folder_to_write_into_is_checked_first(judged, monkeypatch):
    put("maps", a=P), put("masks", a=DISC)
    monkeypatch.setattr(judging, "pair_files", lambda *_: pytest.fail("nothing is read before"))
    for name in ("maps", "masks"):
        with pytest.raises(UserError, match=f"--out {name} is, or holds, what is read"):
            judged(out=name)
    Path("file").touch()
    with pytest.raises(UserError, match="file cannot be a folder"):
        judged(out="file/below")

    def denied(**_):
        raise PermissionError(errno.EACCES, "no permission")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", denied)
    with pytest.raises(UserError, match=r"not writable(.|\n)*no permission"):
        judged()
    assert not Path("out").exists()


def test_results_of_another_model_are_kept_and_old_diagrams_are_not(judged):
    put("maps", a=P), put("masks", a=DISC)
    judged(name="A")
    with pytest.raises(UserError, match=r"another model than B(.|\n)*- A"):
        judged(name="B")
    assert json.loads(Path("out/metrics.json").read_text())["name"] == "A"
    Path("out/reliability-stretched.svg").touch()
    judged(name="A", protocols=("raw",))
    assert sorted(os.listdir("out")) == ["images.csv", "metrics.json", "metrics.sha256", "statistic.npz"]


def test_maps_that_differ_from_most_are_named(judged):
    put("masks", **dict.fromkeys("abcd", LABELS))
    put("maps", **dict.fromkeys("abcd", THREE))
    Path("maps/a.npy").write_bytes(b"xx")
    put("maps", b=P)
    refused(judged, "2 file(s)", "a.npy: not readable", "b.npy: an array of shape (24, 32); expected 3 classes")
    put("maps", a=np.concatenate([THREE, 0 * THREE]), b=THREE)
    refused(judged, "1 file(s)", "a.npy: 6 classes; expected 3")
    put("maps", a=THREE, b=THREE.transpose(1, 2, 0))
    refused(judged, "1 file(s)", "b.npy: an array of shape (24, 32, 3), channels last", ".transpose(2, 0, 1)")
    half = THREE.copy()
    half[:, 0, 0] /= 2
    put("maps", b=half)
    put("masks", c=LABELS + 2)
    refused(
        judged,
        "b.npy: sums over the classes from 0.5 to 1; expected 1 at every pixel, within 0.001: save",
        "c.png: class ids from 2 to 4; expected 0 to 2",
    )


def test_a_softmax_that_was_rounded_is_refused_with_what_to_do(judged):
    put("maps", a=np.round(THREE * 255 + [[[0.4]], [[0.4]], [[0.4]]]) / 255), put("masks", a=LABELS)
    refused(judged, "sums over the classes", "save the softmax as float32, or divide a rounded one by its sum")


def test_options_and_masks_that_classes_do_not_have(judged):
    put("maps", a=THREE), put("masks", a=LABELS[None].astype(np.int64))
    assert judged(out="first")["raw"]["accuracy"] == 1
    refused(judged, "--border", border=2)
    refused(judged, "need masks", mask=None)
    assert "no mask pixel has the value 9" in judged(out="nine", ignore=9)["warnings"][0]
    put("masks", a=np.where(DISC, LABELS, 255).astype(np.int64))
    refused(
        judged,
        "class ids from 1 to 255; expected 0 to 2, 9 ignored (255 counts, as --ignore names another value)",
        "write 255 for 9 in the masks, and leave out --ignore",
        ignore=9,
    )
    put("masks", a=255 * DISC.astype(np.int64))
    refused(judged, "0 and 255 only")


def test_a_void_of_another_value_is_named_once_for_all_masks(judged):
    put("maps", a=THREE, b=THREE)
    put("masks", a=np.where(DISC, LABELS, 9), b=np.where(DISC, LABELS, 9))
    refused(
        judged, "2 file(s)", "a.png, b.png: class ids from 1 to 9", "if 9 marks pixels that do not count: --ignore 9"
    )


@pytest.mark.parametrize(("gap", "told"), [(1, True), (None, False)])
def test_an_id_that_is_left_out_is_named(judged, gap, told):
    """Ids 0, 2 and 3 for three classes; or 1, 2 and a void of 3, for which nothing is left out."""
    ids = np.array([0, 2, 3]) if gap else np.array([0, 1, 2])
    masks = ids[np.arange(DISC.size).reshape(DISC.shape) % 3]
    masks[0, 0] = 3
    put("maps", a=THREE), put("masks", a=masks)
    with pytest.raises(UserError, match="if 3 marks pixels that do not count: --ignore 3") as raised:
        judged()
    assert ("if ids leave out 1, which this mask lacks, renumber them from 0 to 2" in str(raised.value)) == told


def test_classes_in_pictures_are_told_where_they_belong(judged):
    put("masks", a=LABELS)
    for picture in (np.uint8(255 * THREE).transpose(1, 2, 0), np.uint8(255 * np.concatenate(THREE))):
        cv2.imwrite("maps/a.png", picture)
        refused(judged, "go into .npy or .npz")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (with_void(P, np.inf), "infinite"),
        (np.log(P), "logarithms need exp"),
        (255 * P, "divide 0..255 by 255"),
        (P + np.float32(0.200002), "to 1.000002;"),
        (np.uint8(255 * THREE), "of several classes float32"),
        (np.uint8(255 * THREE), "divide a rounded softmax by its sum, as float16"),
    ],
)
def test_maps_of_other_values_say_what_they_are(judged, array, words):
    np.save("maps/a.npy", array), put("masks", a=DISC)
    refused(judged, "1 file(s)", "a.npy: ", words)


def test_the_other_order_of_bytes_is_read(judged):
    put("maps", a=P.astype(">f4"), b=np.round(P * 65535).astype(">u2")[None]), put("masks", a=DISC, b=DISC)
    assert judged()["raw"]["accuracy"] == 1


def test_rounding_above_1_and_square_maps_are_put_right(judged):
    put("maps", a=np.where(DISC, np.float32(1.0000002), P), b=cv2.resize(P, (20, 20))), put("masks", a=DISC, b=DISC)
    result = judged()
    assert result["raw"]["accuracy"] > 0.95 and "b" in result["warnings"][0]


@pytest.mark.parametrize(("width", "mask"), [(23, DISC[:, :23].T), (26, DISC[:, :21])], ids=["rotated", "cropped"])
def test_maps_that_are_rotated_or_cropped_are_refused(judged, width, mask):
    """The first is nearly square: its shape would pass for another size of the mask's."""
    put("maps", a=P[:, :width]), put("masks", a=mask)
    refused(judged, "rotated or cropped")


def test_masks_of_fractions_are_cut_at_one_half(judged):
    put("maps", a=P), put("masks", a=np.where(DISC, np.float32(0.51), np.float32(0.5)))
    result = judged()
    assert result["raw"]["accuracy"] == 1 and f"{DISC.size} mask pixel(s)" in " ".join(result["warnings"])


def test_transparent_maps_are_refused(judged):
    grey = np.uint8(255 * P)
    cv2.imwrite("maps/a.png", cv2.merge([grey * 0, grey * 0, grey * 0, grey])), put("masks", a=DISC)
    refused(judged, "a.png: partly transparent")


def test_what_to_do_about_names(judged):
    put("masks", a=DISC, b=DISC)
    cv2.imwrite("maps/a.jpg", np.uint8(255 * P))
    refused(judged, "1 JPEG files", "JPEG changes probabilities")
    put("maps", b=P)
    refused(judged, "a.npy: no prediction map but a.jpg", "add the missing files")
    os.rename("maps/b.npy", "maps/b_sal.npy")
    with pytest.raises(UserError) as error:
        judged()
    assert "name of its mask" in str(error.value) and "--ood" not in str(error.value)
    for stem in "ab":
        os.remove(f"masks/{stem}.npy")
    refused(judged, "--ood")


def test_a_file_in_the_place_of_the_calibrated_maps_is_refused(tmp_path):
    (tmp_path / "maps").write_text("notes of a user")
    with pytest.raises(UserError, match="what calibrate did not write"):
        calibrated_files.check(tmp_path, ())


@pytest.mark.parametrize(("side", "ahead"), [(8, FILES), (1024, 1)])
def test_small_maps_are_read_ahead_and_large_ones_one_by_one(side, ahead):
    done, used, most, problems = [], [], 0, []

    def read(name):
        if name == "3":
            raise UnusableFileError("3: broken")
        done.append(name)
        return (np.zeros((side, side), np.uint8),)

    names = [str(k) for k in range(2 * FILES + 7)]
    for name, _ in readable(names, read, problems):
        most = max(most, len(done) - len(used))
        used.append(name)
    assert most == ahead and problems == ["3: broken"]
    assert used == [name for name in names if name != "3"]
