"""Saved maps evaluated: every number against a second way, what is read as it was meant, and what is written."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from made_sets import of_few_bits
from made_statistics import summaries
from PIL import Image
from scipy.special import expit

from pipeline_src.analysis.resampling import SEED, draws, measure, measure_protocols
from pipeline_src.calibrators.pixels import least_probability
from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.counts import Counts
from pipeline_src.counting.sample import checked
from pipeline_src.counting.storage import load
from pipeline_src.counting.whole_maps import whole_map_measures
from pipeline_src.errors import UserError
from pipeline_src.figures import gallery
from pipeline_src.maps import checks
from pipeline_src.maps.checks import count_folder
from pipeline_src.maps.classes import class_counts
from pipeline_src.maps.files import Form, pairs_and_warnings, read_pair
from pipeline_src.maps.judge import judge_folder
from pipeline_src.metrics.registry import value

PROTOCOLS = ("raw", "stretched")
METRICS = ("ece", "ece_debiased", "oe", "accuracy", "brier", "nll", "mae", "max_f")
IGNORE = 128  # without `ignore` it is taken for a soft edge
Y, X = np.mgrid[:24, :32]
DISC = np.hypot(Y - 12, X - 14) < 7
P = np.where(DISC, 0.8, 0.3).astype(np.float32)  # accuracy 1
LABELS = np.uint8(DISC * (1 + (X > 14)))
THREE = np.float32([0.1, 0.2, 0.7])[(np.arange(3)[:, None, None] - LABELS - 1) % 3]  # accuracy 1


def write_map(path: Path, f: np.ndarray, k: int) -> None:
    """Save a map in one of the formats that are read."""
    if k % 5 < 2:
        top, kind = ((255, np.uint8), (65535, np.uint16))[k % 5]
        cv2.imwrite(str(path.with_suffix(".png")), np.rint(top * f).astype(kind))
    elif k % 5 == 3:
        np.savez_compressed(path.with_suffix(".npz"), f.astype(np.float64))
    else:
        np.save(path.with_suffix(".npy"), f.astype(np.float32)[None] if k % 5 == 4 else f.astype(">f4"))


def make(root: Path, images: int = 6) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Overconfident maps in all formats and masks whose first rows are not to count; the first has no object.

    Returns:
        Map as it is stored and ground truth (0, 1, 255 ignored) by stem.
    """
    rng, pairs = np.random.default_rng(0), {}
    for folder in ("maps", "masks"):
        (root / folder).mkdir()
    for k in range(images):
        z = rng.normal(rng.normal(0, 1), 2, (24, 30))
        mask = np.uint8(255 * (rng.random(z.shape) < expit(z)) * (k > 0))
        mask[: k % 4] = IGNORE
        write_map(root / f"maps/a{k}", 0.1 + 0.8 * expit(2 * z), k)
        cv2.imwrite(str(root / f"masks/a{k}.png"), mask)
        pair = pairs_and_warnings(root / "maps", root / "masks")[0][k]
        stored = read_pair(pair, Form(ignore=IGNORE)).probability
        pairs[f"a{k}"] = stored, np.where(mask == IGNORE, 255, mask > 127).astype(np.uint8)
    return pairs


def statistic(pairs) -> dict[str, Counts]:
    """The counts of all pixels that count."""
    accumulator = Accumulator()
    for stem, (f, truth) in pairs.items():
        accumulator.add(checked(f, truth, stem, ignore=255), clamp=least_probability(f.dtype))
    return accumulator.counts()


def table(out: Path) -> dict[str, dict[str, str]]:
    with open(out / "images.csv", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Evaluate what was put into the folders `maps` and `masks`."""
    (tmp_path / "maps").mkdir(), (tmp_path / "masks").mkdir()
    monkeypatch.chdir(tmp_path)

    def run(mask=Path("masks"), **options):
        return judge_folder(Path("maps"), mask, "net", Path("out"), **{"resamples": 0} | options)

    return run


def put(folder, **files):
    """Save arrays by stem: integers as PNG, floats and bool as .npy."""
    for stem, array in files.items():
        if array.dtype.kind == "u" and array.ndim == 2:
            cv2.imwrite(f"{folder}/{stem}.png", array)
        else:
            np.save(f"{folder}/{stem}.npy", array)


# Numbers


def test_numbers_are_those_of_the_statistic(tmp_path):
    pairs, bins = make(tmp_path), 15
    options = {"ignore": IGNORE, "bins": bins, "resamples": 20}
    result = judge_folder(tmp_path / "maps", tmp_path / "masks", "net", out := tmp_path / "out", **options)
    counted, rows = statistic(pairs), table(out)
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(result))
    assert np.array_equal(load(out / "counts.npz")["raw"].histogram.count, counted["raw"].histogram.count)
    for protocol in PROTOCOLS:
        counts = counted[protocol]
        for name in METRICS:
            assert result[protocol][name] == value(name, counts, bins)
            low, high = result["intervals"][protocol][name]
            assert low <= result[protocol][name] <= high
    eces = [float(row["raw_ece"]) for row in rows.values()]
    assert eces == sorted(eces, reverse=True) and rows.keys() == pairs.keys()
    for stem, pair in pairs.items():
        counts = statistic({stem: pair})
        stretched = counts["stretched"]
        for name in ("accuracy", "nll", "brier", "mae"):
            assert float(rows[stem][f"stretched_{name}"]) == pytest.approx(value(name, stretched), rel=1e-5)
        assert float(rows[stem]["raw_ece"]) == pytest.approx(value("ece", counts["raw"], bins), abs=5e-3)


def test_measures_of_whole_maps_are_means_over_images(tmp_path):
    pairs = {stem: (f, np.where(truth == 255, 0, truth)) for stem, (f, truth) in make(tmp_path).items()}
    for stem, (_, truth) in pairs.items():
        cv2.imwrite(str(tmp_path / f"masks/{stem}.png"), 255 * truth)
    result = judge_folder(tmp_path / "maps", tmp_path / "masks", "net", tmp_path / "out", resamples=50)
    measured = [whole_map_measures(f, truth.astype(np.uint8)) for f, truth in pairs.values()]
    for protocol in PROTOCOLS:
        for name in ("s_measure", "e_measure"):
            expected = np.mean([values[protocol][name] for values in measured])
            assert result[protocol][name] == pytest.approx(expected, abs=1e-8)
            low, high = result["intervals"][protocol][name]
            assert 0 < low <= result[protocol][name] <= high < 1


@pytest.fixture
def four_classes(tmp_path) -> tuple[Path, list[tuple[np.ndarray, np.ndarray]]]:
    """Maps and masks of four classes, of which no pixel has the last; the pixels that count, (4, n) and (n,)."""
    pixels = []
    for folder in ("maps", "masks"):
        (tmp_path / folder).mkdir()
    for k in range(12):
        rng = np.random.default_rng(k)
        z = rng.normal(rng.normal(0, 1, (4, 1, 1)), 2, (4, 20, 30))
        p = (np.exp(z) / np.exp(z).sum(axis=0)).astype(np.float32)
        truth = rng.integers(0, 1 + k % 3, (20, 30)).astype(np.uint8)
        truth[:2] = 11
        np.savez_compressed(tmp_path / f"maps/m{k:02}.npz", p)
        cv2.imwrite(str(tmp_path / f"masks/m{k:02}.png"), truth)
        pixels.append((p[:, 2:].reshape(4, -1), truth[2:].ravel()))
    return tmp_path, pixels


def test_maps_of_several_classes(four_classes):
    root, pixels = four_classes
    counted = Accumulator(4)
    for k, (p, truth) in enumerate(pixels):
        counted.add(checked(p[:, None], truth[None], f"m{k:02}"))
    result = judge_folder(root / "maps", root / "masks", "four", root / "out", ignore=11, resamples=30)
    assert (result["n_classes"], result["n_pixels"]) == (4, 12 * 18 * 30)
    assert result["raw"] == summaries(counted.counts())["raw"][0]
    low, high = result["intervals"]["raw"]["ece"]
    assert low < result["raw"]["ece"] < high


def binned_ece(f: np.ndarray, hits: np.ndarray, bins: int) -> float:
    """The ECE of scores, by plain numpy."""
    places = np.ceil(f.astype(np.float64) * bins).astype(int)
    return np.abs(np.bincount(places, f - hits)).sum() / f.size


@pytest.mark.parametrize("grouped", [False, True])
def test_numbers_of_each_class_are_those_of_its_pixels(four_classes, grouped):
    root, pixels = four_classes
    options = {"groups": "(m0|m1)"} if grouped else {}
    out = root / "out"
    result = judge_folder(
        root / "maps", root / "masks", "four", out, ignore=11, resamples=40, bins=15, diagrams=True, **options
    )
    p = np.concatenate([p for p, _ in pixels], axis=1)
    truth = np.concatenate([truth for _, truth in pixels])
    eces = [binned_ece(p[k], truth == k, 15) for k in range(4)]
    assert [of_class["class"] for of_class in result["classes"]] == [0, 1, 2, 3]
    assert [of_class["ece"] for of_class in result["classes"]] == pytest.approx(eces, abs=1e-9)
    assert np.mean(eces) == pytest.approx(result["raw"]["classwise_ece"], abs=1e-9)
    for k, of_class in enumerate(result["classes"]):
        assert of_class["share"] == np.mean(truth == k)
        accuracy = np.mean(p.argmax(axis=0)[truth == k] == k) if k < 3 else None
        assert of_class["accuracy"] == accuracy
        low, high = of_class["interval"]
        assert 0 <= low <= of_class["ece"] <= high <= 1
    drawn = {path.stem for path in out.glob("reliability-*.svg")}
    assert drawn == {"reliability-raw", "reliability-classes"}


def test_intervals_of_a_class_resample_all_images(four_classes):
    """The ECE of each resample, by plain numpy; images without the class are drawn, too."""
    _, pixels = four_classes
    counted = Accumulator(4)
    for k, (p, truth) in enumerate(pixels):
        counted.add(checked(p[:, None], truth[None], f"m{k:02}"))
    raw = counted.counts()["raw"]
    times = draws(12, 50, SEED)
    for k in range(4):
        measured = measure(class_counts(raw, k), 10, SEED, 50, ["ece"])
        expected = []
        for weights in times:
            drawn = np.repeat(np.arange(12), weights)
            f = np.concatenate([pixels[i][0][k] for i in drawn])
            expected.append(binned_ece(f, np.concatenate([pixels[i][1] == k for i in drawn]), 10))
        assert measured.values["ece"][0] == pytest.approx(expected, abs=2e-3)


def test_images_of_a_group_are_resampled_together(tmp_path):
    make(tmp_path, 5)
    groups = np.array([0, 0, 0, 1, 2])
    (tmp_path / "groups.csv").write_text("id,group\n" + "".join(f"a{k},{group}\n" for k, group in enumerate(groups)))
    options = {"groups": str(tmp_path / "groups.csv"), "ignore": IGNORE}
    folders = tmp_path / "maps", tmp_path / "masks"
    result = judge_folder(*folders, "net", tmp_path / "out", resamples=50, **options)
    counted = count_folder(pairs_and_warnings(*folders)[0], Form(ignore=IGNORE), whole_maps=True)
    expected = measure_protocols(counted.counts(), 10, 0, 50, groups)["raw"]
    assert result["raw"] == expected.numbers()
    assert result["intervals"]["raw"] == {name: expected.intervals().get(name) for name in result["raw"]}
    assert "3 groups" in result["groups"]


# What is read as it was meant


@pytest.mark.parametrize(
    ("mask", "options"),
    [
        (255 * LABELS.clip(0, 1), {}),
        (LABELS.clip(0, 1), {}),
        (DISC, {}),
        (np.float32(255 * DISC), {}),
        (np.where(DISC, np.float32(0.51), np.float32(0.5)), {}),
        (cv2.GaussianBlur(np.uint8(255 * DISC), (5, 5), 0), {}),
        (np.where(Y < 3, 255, LABELS.clip(0, 1)).astype(np.uint8), {"ignore": 255}),
    ],
    ids=["0 and 255", "0 and 1", "bool", "floats", "fractions", "soft edges", "void"],
)
def test_binary_masks(judged, mask, options):
    put("maps", a=P), put("masks", a=mask)
    assert judged(**options)["raw"]["accuracy"] > 0.95


def test_class_ids_above_255_change_the_digest_of_the_masks(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "FolderCounts", lambda *args, **options: Mock())
    digests = set()
    for class_id in (1, 257):
        for folder, array in (("maps", np.full((300, 2, 2), 1 / 300)), ("masks", np.full((2, 2), class_id))):
            (tmp_path / folder).mkdir(exist_ok=True)
            np.save(tmp_path / folder / "a.npy", array)
        pairs, _ = pairs_and_warnings(tmp_path / "maps", tmp_path / "masks")
        digests.add(count_folder(pairs, Form(classes=300)).masks_digest)
    assert len(digests) == 2


def test_palettes(judged):
    def palette(indices, colors):
        image = Image.fromarray(indices, "P")
        image.putpalette(colors)
        image.save("masks/a.png")

    put("maps", a=P)
    palette(np.uint8(DISC), [0, 0, 0, 128, 0, 0])  # colored: its indices 0 and 1
    assert judged()["raw"]["accuracy"] == 1
    palette(np.uint8(~DISC), [255, 255, 255, 0, 0, 0])  # gray: as it looks
    assert judged()["raw"]["accuracy"] == 1
    put("maps", a=THREE)
    Path("masks/a.png").write_bytes(of_few_bits(LABELS, bits=2))
    assert judged()["raw"]["accuracy"] == 1
    for colors in ([0, 0, 0, 128, 0, 0, 0, 128, 0], [0, 0, 0, 2, 2, 2, 1, 1, 1]):
        palette(LABELS, colors)
        assert judged()["raw"]["accuracy"] == 1


def test_gray_maps_of_several_channels_are_those_of_one(judged):
    put("masks", a=np.uint8(255 * DISC))
    results = []
    for mode in ("L", "RGB", "RGBA", "LA", "P"):
        Image.fromarray(np.uint8(255 * P + X)).convert(mode).save("maps/a.png")
        results.append(judged())
    assert all(result == results[0] for result in results)


def test_names_and_subfolders(judged):
    """Composed and decomposed accents are one name; hidden files are left out."""
    for form, folder, array in (("NFC", "maps", P), ("NFD", "masks", np.uint8(255 * DISC))):
        for video in ("v/1", "v/2"):
            Path(folder, video).mkdir(parents=True)
            put(f"{folder}/{video}", **{unicodedata.normalize(form, "é"): array})
    Path("maps/.hidden.npy").touch(), Path("maps/notes.txt").touch()
    result = judged()
    assert result["n_images"] == 2 and result["raw"]["accuracy"] == 1
    assert table(Path("out")).keys() == {"v/1/é", "v/2/é"}


def test_sizes_channels_and_rounding(judged):
    put(
        "maps", a=np.where(DISC, np.float32(1.0000002), P), b=cv2.resize(P, (20, 20)), c=P[..., None].astype(np.float16)
    )
    put("masks", a=DISC, b=DISC, c=DISC)
    result = judged()
    assert result["raw"]["accuracy"] > 0.95 and "(b)" in result["warnings"][0]


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        ({"maps": P, "masks": 0 * LABELS}, {}, "no mask has an object"),
        ({"maps": np.uint8(100 * P), "masks": DISC}, {}, "percent"),
        ({"maps": np.uint8(127 * P), "masks": DISC}, {}, "another scale"),
        ({"maps": P / 100, "masks": DISC}, {}, "of 1,"),
        ({"maps": np.uint8(0 * P), "masks": DISC}, {}, "0 everywhere"),
        ({"maps": P, "masks": np.uint8(255 * DISC)}, {"ignore": 0}, "--ignore"),
        ({"maps": THREE, "masks": LABELS}, {"mask": None}, "class 0"),
        ({"maps": np.float32(DISC), "masks": DISC}, {}, "only 0 and 1"),
        ({"maps": np.float32(np.arange(3)[:, None, None] == LABELS), "masks": LABELS}, {}, "only 0 and 1"),
        ({"maps": THREE, "masks": np.uint8(255 * DISC)}, {}, "only class 0"),
        ({"maps": np.stack([1 - P, P]), "masks": np.uint8(255 * DISC)}, {"ignore": 255}, "only class 0"),
        ({"maps": P, "masks": ~DISC}, {}, "inverted"),
        ({"maps": THREE[[1, 2, 0]], "masks": LABELS}, {}, "another order"),
        ({"maps": P, "masks": DISC}, {"ignore": 7}, "value 7"),
        ({"maps": THREE, "masks": LABELS}, {"ignore": 9}, "value 9"),
        ({"maps": P, "masks": np.where(Y < 3, 128, np.uint8(255 * DISC)).astype(np.uint8)}, {}, "--ignore 128"),
        ({"maps": P, "masks": DISC}, {"resamples": 20}, "one image"),
    ],
)
def test_what_is_likely_a_mistake_is_told(judged, files, options, words):
    for folder, array in files.items():
        put(folder, a=array)
    assert any(words in line for line in judged(**options)["warnings"])


def test_void_images_are_named(judged):
    put("maps", a=P, b=P), put("masks", a=np.uint8(DISC), b=np.full_like(LABELS, 7))
    (warning,) = judged(ignore=7)["warnings"]
    assert warning.startswith("1 image") and "(b)" in warning


def test_class_ids_may_be_whole_floats(judged):
    put("maps", a=THREE), put("masks", a=np.float32(LABELS))
    assert judged()["raw"]["accuracy"] == 1


def test_good_maps_have_no_warning(judged):
    put("maps", a=P, b=np.uint16(65535 * P)), put("masks", a=DISC, b=DISC)
    assert judged()["warnings"] == []
    Path("maps/a.npy").unlink(), Path("maps/b.png").unlink()
    put("maps", a=THREE, b=THREE), put("masks", a=LABELS, b=LABELS)
    Path("masks/a.npy").unlink(), Path("masks/b.npy").unlink()
    assert judged()["warnings"] == []


def rows_of(file: str) -> list[dict[str, str]]:
    with open(f"out/{file}", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_gallery_shows_the_images_that_belong_to_the_maps(judged):
    Path("images").mkdir()
    for number in range(4):
        noisy = np.clip(P + number / 20, 0, 1)
        put("maps", **{f"a{number}": noisy})
        put("masks", **{f"a{number}": np.uint8(255 * DISC)})
        Image.new("RGB", (8, 8), (90 * (number % 2), 0, 0)).save(f"images/a{number}.jpg")
    judged(gallery=True)
    rows = rows_of("gallery.csv")
    gaps = {row["id"]: abs(float(row["raw_gap"])) for row in rows_of("images.csv")}
    ranked = list(dict.fromkeys(row["id"] for row in rows))
    assert ranked == sorted(gaps, key=lambda stem: -gaps[stem])
    assert {row["layer"] for row in rows} == {"mask", "net: confidence", "net: errors"}
    plain = Path("out/gallery.png").stat().st_size
    judged(images=Path("images"))
    assert Path("out/gallery.png").stat().st_size != plain
    judged()
    assert not list(Path("out").glob("gallery.*"))
    Path("images/a3.jpg").write_bytes(b"text")
    with pytest.raises(UserError, match=r"a3\.jpg"):
        judged(images=Path("images"))
    Path("images/a3.jpg").unlink()
    with pytest.raises(UserError, match="a3"):
        judged(images=Path("images"))


def test_pictures_of_16_bits_are_scaled_to_8(judged, monkeypatch):
    monkeypatch.setattr(gallery, "Prediction", Mock(wraps=gallery.Prediction))
    put("maps", a=P), put("masks", a=DISC), Path("images").mkdir()
    Image.fromarray(np.uint16(257 * X)).save("images/a.png")
    judged(images=Path("images"))
    assert np.array_equal(gallery.Prediction.call_args.args[2], np.dstack([X] * 3))


def test_the_gallery_of_several_classes_leaves_ignored_pixels_out(judged):
    put("maps", a=THREE)
    put("masks", a=np.where(Y < 2, 255, LABELS).astype(np.uint8))
    judged(gallery=True)
    rows = {row["layer"]: float(row["mean"]) for row in rows_of("gallery.csv")}
    assert rows["net: confidence"] == pytest.approx(0.7) and rows["net: errors"] == 1


def test_weighted_f_is_measured_on_request(judged):
    put("maps", a=P)
    put("masks", a=np.uint8(255 * DISC))
    assert "weighted_f" not in judged()["raw"]
    expected = whole_map_measures(P, np.uint8(DISC), weighted=True)
    result = judged(weighted_f=True)
    for protocol in PROTOCOLS:
        assert result[protocol]["weighted_f"] == pytest.approx(expected[protocol]["weighted_f"], abs=1e-9)
    stored = load("out/counts.npz")
    assert value("weighted_f", stored["raw"]) == result["raw"]["weighted_f"]
