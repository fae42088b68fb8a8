"""Faults of `calibrate` and of calibrator files: every one is refused with its name and nothing is written."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_input import BUSY, BadInput, check, hold, run

from pipeline_src.calibrators import files
from pipeline_src.files import write_text

OPTIONS = ("calibrate", "--pred", "maps", "--mask", "masks", "--apply", "other", "--out", "out", "--resamples", "0")
REFUSED = "refused before anything is computed"


def make(folder: Path, images: int = 2, foreground: bool = True) -> None:
    """Two maps and masks to fit to, and one map to calibrate."""
    rng = np.random.default_rng(0)
    for name in ("maps", "masks", "other"):
        (folder / name).mkdir()
    for i in range(images):
        f = rng.integers(0, 256, (12, 12), dtype=np.uint8)
        cv2.imwrite(str(folder / "maps" / f"{i}.png"), f)
        cv2.imwrite(str(folder / "masks" / f"{i}.png"), np.uint8(255 * (f > 128)) if foreground else 0 * f)
    cv2.imwrite(str(folder / "other/9.png"), rng.integers(0, 256, (12, 12), dtype=np.uint8))


def and_then(change):
    def made(folder: Path) -> None:
        make(folder)
        change(folder)

    return made


def command(*more: str):
    return lambda folder: run(*OPTIONS, *more)


def calibrator(**changes) -> dict:
    on = {"images": 1, "pixels": 1, "nll_before": 0.1, "nll_after": 0.1}
    record = {"version": 1, "calibrator": "temperature", "classes": 2, "parameters": {"temperature": 2.0}}
    return record | {"fitted_on": on} | changes


def written(content: object):
    """Of a calibrator's file with some content."""

    def change(folder: Path) -> None:
        (folder / "calibrator.json").write_text(content if isinstance(content, str) else json.dumps(content))

    return and_then(change)


def altered(folder: Path) -> None:
    file = folder / "calibrator.json"
    files.write(file, calibrator())
    file.write_text(file.read_text().replace("2.0", "2.1"))


JUDGE = ("judge", "--pred", "maps", "--mask", "masks", "--out", "judged", "--resamples", "0", "--no-whole-maps")


def judged(folder: Path) -> None:
    run(*JUDGE, "--calibrator", "calibrator.json")


def remove(name: str):
    return lambda folder: (folder / name).unlink()


def as_jpeg(folder: Path) -> None:
    for path in (folder / "masks").iterdir():
        cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) // 255)
        path.unlink()


def several(folder: Path) -> None:
    (folder / "other/9.png").unlink()
    np.save(folder / "other/9.npy", np.full((3, 12, 12), 1 / 3, np.float32))


def channels_last(folder: Path) -> None:
    """Maps of three classes, and one to calibrate with the classes last."""
    several_that_sum_to_more(folder)
    np.save(folder / "other/9.npy", np.full((12, 12, 3), 1 / 3, np.float32))


def several_that_sum_to_more(folder: Path) -> None:
    """Maps of three classes, and one to calibrate with 0.5 for each class."""
    make(folder)
    several(folder)
    for path in (folder / "maps").iterdir():
        path.unlink()
        np.save(path.with_suffix(".npy"), np.random.default_rng(0).dirichlet(np.ones(3), (12, 12)).transpose(2, 0, 1))
        cv2.imwrite(str(folder / "masks" / path.name), np.arange(144, dtype=np.uint8).reshape(12, 12) % 3)
    np.save(folder / "other/9.npy", np.full((3, 12, 12), 0.5, np.float32))


def among_older_results(folder: Path) -> None:
    (folder / "out/maps/old").mkdir(parents=True)
    (folder / "out/calibrator.json").write_text("{}")
    for name in ("notes.txt", "old/notes.txt"):
        (folder / "out/maps" / name).write_text("mine")


def another(folder: Path) -> None:
    (folder / "out/maps").mkdir(parents=True)
    (folder / "out/maps/mine.png").write_bytes(b"of the user")


def exported(folder: Path) -> None:
    (folder / "out").mkdir()
    for name in ("model.safetensors", "SHA256SUMS", "calibrator.json"):
        (folder / "out" / name).write_text("of export")


row = partial(BadInput, make=make, happens=REFUSED)  # of two maps and masks, if not said otherwise
OLDER_RESULTS = and_then(among_older_results)
LETTER = "\u56fe"
HUGE = [[1e308, -1e308, 1e308]] * 3

ROWS = [
    row(
        "unknown_method",
        "`--method` is the name of no calibrator",
        command("--method", "temprature"),
        "--method",
        "temprature",
        "temperature, platt",
        "did you mean 'temperature'",
        happens="refused, with the nearest name",
    ),
    row(
        "method_of_several_classes",
        "a calibrator of several classes for maps of one object",
        command("--method", "dirichlet"),
        "dirichlet is for several classes",
        "2 classes",
        do="platt or temperature",
        happens="refused",
    ),
    row(
        "maps_missing",
        "a folder of `--pred` that is not there",
        command(),
        "no maps, or no masks, to read",
        "maps: no such folder",
        "a folder of maps",
        make=lambda folder: None,
    ),
    row(
        "mask_missing",
        "a fitted map without a mask",
        command(),
        "cannot be used",
        r"1\.png: no mask",
        "one mask for every map",
        "add the missing files",
        make=and_then(remove("masks/1.png")),
        happens="refused; all files without a partner are named",
    ),
    row(
        "jpeg_ids",
        "JPEG masks of 0 and 1",
        command(),
        "the masks in masks are JPEG files, which do not keep ids",
        r"no value above 127 \(0\.jpg\)",
        "PNG files",
        "as PNG",
        make=and_then(as_jpeg),
        happens="refused: JPEG changes values",
    ),
    row(
        "applied_maps_missing",
        "a folder of `--apply` without maps",
        command(),
        "no maps, or no masks, to read",
        "other: no file with one of the suffixes",
        make=and_then(remove("other/9.png")),
    ),
    row(
        "applied_map_broken",
        "a map to calibrate that cannot be read",
        command("--method", "platt"),
        "cannot be used",
        r"9\.png",
        make=and_then(lambda folder: (folder / "other/9.png").write_bytes(b"no picture")),
        happens="refused; all such files are named",
    ),
    row(
        "applied_name_long",
        "a map to calibrate whose name has 82 Chinese letters",
        command("--method", "platt"),
        r"1 file\(s\) cannot be used",
        rf"{82 * LETTER}\.png: a name of 250 bytes; at most 245 can be written",
        make=and_then(lambda folder: (folder / "other/9.png").rename(folder / f"other/{82 * LETTER}.png") and None),
        happens="refused; all such files are named",
    ),
    row(
        "applied_classes",
        "maps to calibrate of another number of classes than the fitted ones",
        command("--method", "platt"),
        "cannot be used",
        r"9\.npy: a map of 3 classes; expected a map of one object",
        make=and_then(several),
        happens="refused; all such files are named",
    ),
    row(
        "applied_sums",
        "maps to calibrate whose classes do not sum to 1, such as sigmoids",
        command("--method", "temperature"),
        "cannot be used",
        r"9\.npy: sums over the classes from 1.5 to 1.5; expected 1 at every pixel",
        make=several_that_sum_to_more,
        happens="refused; all such files are named",
    ),
    row(
        "applied_last",
        "maps to calibrate with the classes last",
        command("--method", "temperature"),
        "cannot be used",
        r"9\.npy: an array of shape \(12, 12, 3\), channels last; expected (.*)transpose\(2, 0, 1\)",
        make=channels_last,
        happens="refused; all such files are named",
    ),
    row(
        "test_mask_missing",
        "`--test-mask` without the mask of a map",
        command("--test-mask", "masks"),
        "cannot be used",
        r"no prediction map|no mask",
        "one mask for every map",
        happens="refused; all files without a partner are named",
    ),
    row(
        "scored_on_the_fitted",
        "scores asked for on the images that were fitted to",
        lambda folder: run(*OPTIONS[:5], "--apply", "maps", "--out", "out", "--test-mask", "masks"),
        "--test-mask",
        "both maps",
        "not seen",
        "leave out --test-mask",
        happens="refused: scores are cross-validated without `--test-mask`",
    ),
    row(
        "one_image",
        "a single image to fit to, and no masks of others",
        command(),
        "cannot be cross-validated",
        "1 image",
        "two or more",
        "--test-mask",
        make=lambda folder: make(folder, images=1),
        happens="refused: it cannot be cross-validated",
    ),
    row(
        "background_alone",
        "masks without any object",
        command(),
        "no calibrator can be fitted to the masks in",
        "background alone",
        "two classes",
        "--mask",
        make=lambda folder: make(folder, foreground=False),
        happens="refused: nothing determines a calibrator",
    ),
    row(
        "bins",
        "a number of bins that does not divide 66,300",
        command("--bins", "7"),
        "bins cannot be formed",
        "7",
        "a divisor of 66300",
    ),
    row(
        "resamples",
        "more resamples than can be kept",
        command("--resamples", "100001"),
        "--resamples cannot be used",
        "100,001",
        "0 to 100,000",
        "--resamples 1000",
    ),
    row(
        "max_pixels",
        "a map larger than `--max-pixels`",
        command("--max-pixels", "100"),
        "cannot be used",
        r"0\.png",
        happens="refused before it is decoded; all such files are named",
    ),
    row(
        "features_of_another_method",
        "`--features` or `--shape` with a method that has no such option",
        command("--features", "entropy"),
        "--features is an option of image_temperature",
        "--method auto",
        do="--method image_temperature",
    ),
    row(
        "unknown_feature",
        "a feature that there is not",
        command("--method", "image_temperature", "--features", "entropy,forground"),
        "--features: there is no feature",
        "forground",
        "entropy, foreground, margin",
        "did you mean 'foreground'",
        happens="refused, with the nearest name",
    ),
    row(
        "feature_twice",
        "a feature that is repeated",
        command("--method", "image_temperature", "--features", "entropy,margin,entropy"),
        "--features: a feature is repeated",
        "entropy",
        "each once",
        "--features entropy,margin$",
        happens="refused by name: its two columns would be equal",
    ),
    row(
        "risk_unknown",
        "`--risk` that names no risk",
        command("--risk", "fnn=0.1"),
        "--risk cannot be used",
        "fnn=0.1",
        "fnr=ALPHA or fpr=ALPHA with 0 < ALPHA < 1",
        "did you mean 'fnr'",
    ),
    row(
        "risk_of_nothing",
        "`--risk` with a bound so small that no number of images keeps it",
        command("--risk", "fnr=1e-320"),
        "--risk cannot be used",
        "fnr=1e-320",
        "ALPHA of 1e-09 or more",
    ),
    row(
        "risk_too_few_images",
        "a bound that so few images cannot keep, whatever the threshold",
        command("--risk", "fpr=0.05"),
        "cannot be kept by so few images",
        "2 in maps",
        "19 or more",
        "a larger ALPHA",
    ),
    row(
        "groups_pattern",
        "`--groups` that is no regular expression",
        command("--groups", "(["),
        "--groups cannot be used",
        r"\(\[",
    ),
    row(
        "out_is_an_input",
        "`--out` is a folder of maps",
        lambda folder: run(*OPTIONS[:7], "--out", "other", "--resamples", "0"),
        "--out other is, or holds, what is read: results would be mixed",
        "- other",
        do="another --out",
        happens="refused: results would be mixed with them",
    ),
    row(
        "out_maps_is_an_input",
        "maps/ of `--out` is a folder of maps",
        lambda folder: run(*OPTIONS[:7], "--out", ".", "--resamples", "0"),
        r"--out \. is, or holds, what is read: results would be mixed",
        "- maps",
        "a new folder",
        "another --out",
        happens="refused: they would be overwritten",
    ),
    row(
        "out_of_the_user",
        "maps/ of `--out` holds files that `calibrate` did not write",
        command(),
        "out holds what calibrate did not write",
        "- out/maps/",
        "a new folder",
        "another --out",
        make=and_then(another),
        happens="refused: they would be removed",
    ),
    row(
        "out_with_a_folder",
        "maps/ of older results holds files that are no maps, one of them in a subfolder",
        command(),
        "out holds what calibrate did not write",
        r"- out/maps/notes\.txt(.|\n)*old/notes\.txt",
        "older results of calibrate",
        "another --out",
        make=OLDER_RESULTS,
        happens="refused: nothing is removed",
    ),
    row(
        "out_exported",
        "`--out` is a folder that `export` wrote",
        command("--method", "temperature"),
        "out holds results of another command",
        r"- out/SHA256SUMS, of export",
        "a new folder",
        "another --out",
        make=and_then(exported),
        happens="refused: its calibrator.json would be replaced",
    ),
    row(
        "out_is_a_file",
        "`--out` is a file",
        command(),
        "out cannot be a folder, and what is made belongs into out/",
        "a file",
        "a folder",
        "move out away",
        make=and_then(lambda folder: (folder / "out").write_text("")),
    ),
    row(
        "file_missing",
        "`judge --calibrator` names no file",
        judged,
        r"calibrator\.json is not a calibrator's file",
        "No such file",
        "`calibrate` wrote",
        "calibrate --pred",
    ),
    row(
        "file_cut_off",
        "a calibrator's file that was cut off",
        judged,
        r"calibrator\.json is not a calibrator's file",
        "Unterminated string",
        "`calibrate` wrote",
        "calibrate --pred",
        make=written('{"version": 1, "calib'),
    ),
    row(
        "file_version",
        "a calibrator's file of another version",
        judged,
        r"calibrator\.json was written by a later version",
        "version 2",
        r"version 1 \(docs/calibrate\.md\)",
        "update the program, or fit it again",
        make=written(calibrator(version=2)),
        happens="refused; the version is named",
    ),
    *(
        row(
            f"file_{name}",
            f"a calibrator's file {fault}",
            judged,
            rf"calibrator\.json has invalid values(.|\n)*version: {found}",
            expected=r"what `calibrate` wrote \(docs/calibrate\.md\)",
            do="fit it again",
            make=written({key: of for key, of in calibrator(**changes).items() if of is not None}),
            happens="refused; file and key are named",
        )
        for name, fault, changes, found in (
            ("no_version", "without a version", {"version": None}, "is missing"),
            ("version_0", "of a version that there was not", {"version": 0}, ".*found 0"),
        )
    ),
    row(
        "file_key_twice",
        "a calibrator's file with a key twice",
        judged,
        r"calibrator\.json is not a calibrator's file",
        "duplicate keys: parameters",
        "`calibrate` wrote",
        "calibrate --pred",
        make=written(json.dumps(calibrator())[:-1] + ', "parameters": {"temperature": 3.0}}'),
        happens="refused: the second would count in silence",
    ),
    row(
        "file_name",
        "a calibrator's file with the name of no calibrator",
        judged,
        r"calibrator\.json: there is no calibrator",
        "plat",
        "temperature, platt",
        "did you mean 'platt'",
        make=written(calibrator(calibrator="plat")),
        happens="refused, with the nearest name",
    ),
    row(
        "file_parameter",
        "a calibrator's file with a parameter out of bounds",
        judged,
        r"calibrator\.json: parameters(.|\n)*temperature: .*greater than or equal to 0\.001",
        expected="what `calibrate` wrote",
        do="fit it again",
        make=written(calibrator(parameters={"temperature": -1})),
        happens="refused; file and key are named",
    ),
    *(
        row(
            f"file_scale_{number}",
            f"a calibrator's file with {fault}",
            judged,
            rf"calibrator\.json: parameters(.|\n)*{key}: .*(greater|less) than or equal to {bound}",
            do="fit it again",
            make=written(calibrator(calibrator=kind, parameters=parameters)),
            happens="refused: no fit gives it",
        )
        for number, (kind, fault, key, parameters, bound) in enumerate(
            (
                ("temperature", "T = 1e308", "temperature", {"temperature": 1e308}, "1000"),
                ("temperature", "T = 1e-308", "temperature", {"temperature": 1e-308}, r"0\.001"),
                ("image_temperature", "g = 1e9", "g", {"a": 0, "b": {}, "g": 1e9}, "200"),
                ("platt", "a slope of 1e308", r"scale\.0", {"scale": [1e308], "bias": [0]}, "1000000000"),
                ("beta", "a = 1e308", r"curves\.0\.a", {"curves": [{"a": 1e308, "b": 1, "c": 0}]}, "1000000000"),
                (
                    "selective_scaling",
                    "T = 1e308 of the pixels that are likely wrong",
                    "temperature",
                    {"weights": [1], "bias": 0, "threshold": 0, "temperature": 1e308},
                    "1000",
                ),
            )
        )
    ),
    *(
        row(
            f"file_{name}",
            f"a calibrator's file {fault}",
            judged,
            r"calibrator\.json: parameters are not those of a fitted calibrator",
            found,
            "what `calibrate` wrote for 2 classes",
            "fit it again",
            make=written(calibrator(calibrator=kind, parameters=parameters)),
            happens="refused; the file and what is wrong are named",
        )
        for name, fault, kind, parameters, found in (
            ("no_curve", "without its curve", "beta", {"curves": []}, "curves has 0 entries, and not 1"),
            ("two_scales", "with a scale too many", "platt", {"scale": [1, 1], "bias": [0]}, "scale has 2 entries"),
            (
                "no_classes",
                "of a calibrator of several classes",
                "dirichlet",
                {"matrix": [[1]], "bias": [0]},
                "several",
            ),
        )
    ),
    *(
        row(
            f"file_{name}",
            f"a calibrator's file {fault}",
            judged,
            rf"calibrator\.json: parameters(.|\n)*curves\.0.*{found}",
            make=written(calibrator(calibrator=kind, parameters={"curves": [curve]})),
            happens="refused; file and key are named",
        )
        for name, fault, kind, curve, found in (
            ("knots", "with a knot too few", "isotonic", {"f": [0, 1], "value": [0]}, "2 values of f"),
            ("no_knot", "without knots", "isotonic", {"f": [], "value": []}, "0 values of f"),
            ("unsorted", "with knots out of order", "isotonic", {"f": [1, 0], "value": [0, 1]}, "have to rise"),
            ("falling", "with a curve that falls", "isotonic", {"f": [0, 1], "value": [1, 0]}, "value falls"),
            ("bins", "with a bin too few", "histogram_binning", {"shares": [0.1] * 9}, "at least 10 items.* not 9"),
            ("more_bins", "with a bin too many", "histogram_binning", {"shares": [0.1] * 11}, "at most 10 items"),
        )
    ),
    row(
        "file_huge",
        "a calibrator's file with numbers so large that none comes out",
        judged,
        r"calibrator\.json: parameters are not those of a fitted calibrator",
        "not numbers",
        "for 3 classes",
        "fit it again",
        make=written(calibrator(calibrator="dirichlet", classes=3, parameters={"matrix": HUGE, "bias": [0, 0, 0]})),
        happens="refused; the file and what is wrong are named",
    ),
    *(
        row(
            f"file_classes_{name}",
            f"a calibrator's file of {number} classes",
            judged,
            r"calibrator\.json: parameters are not those of a fitted calibrator",
            found,
            do="fit it again",
            make=written(calibrator(classes=number)),
            happens="refused before memory is taken",
        )
        for name, number, found in (("negative", -1, "-1 classes"), ("huge", 10**9, "1,000,000,000 classes"))
    ),
    row(
        "file_key",
        "a calibrator's file with a key that there is not",
        judged,
        r"calibrator\.json(.|\n)*temperature: no such key",
        make=written(calibrator(temperature=2)),
        happens="refused; file and key are named",
    ),
    row(
        "file_altered",
        "a calibrator with another parameter than was fitted",
        judged,
        r"calibrator\.json was altered",
        "content of the sha256",
        "own sha256",
        "fit it again.*remove its line 'sha256'",
        make=and_then(altered),
        happens="refused",
    ),
    row(
        "out_judged",
        "`--out` is a folder that `judge` wrote",
        command("--method", "temperature"),
        "out holds results of another command",
        r"- out/metrics\.json, of judge",
        "a new folder",
        "another --out",
        make=and_then(lambda folder: write_text(folder / "out/metrics.json", "{}")),
        happens=f"{REFUSED}: numbers of other maps would be beside its maps",
    ),
    row(
        "out_busy",
        "`--out` of `calibrate` is written into by another command",
        command("--method", "temperature"),
        "another command is writing into out",
        **BUSY,
        make=and_then(lambda folder: hold(folder / "out/.lock")),
        happens=REFUSED,
    ),
    row(
        "file_classes",
        "a calibrator of maps of another number of classes",
        judged,
        r"calibrator\.json was fitted to maps of 3 classes",
        "2 classes in maps",
        "as many classes",
        "fit one",
        make=written(calibrator(classes=3)),
        happens="refused",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused(row: BadInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    check(row, tmp_path)
    assert (tmp_path / "out/calibrator.json").exists() == (row.make is OLDER_RESULTS or row.name == "out_exported")
    assert not (tmp_path / "judged").exists()
