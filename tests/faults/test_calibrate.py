"""Faults of `calibrate` and of calibrator files: every one is refused with its name and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_input import BadInput, check, run

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


JUDGE = ("judge", "--pred", "maps", "--mask", "masks", "--out", "judged", "--resamples", "0", "--no-whole-maps")


def judged(folder: Path) -> None:
    run(*JUDGE, "--calibrator", "calibrator.json")


def remove(name: str):
    return lambda folder: (folder / name).unlink()


def several(folder: Path) -> None:
    (folder / "other/9.png").unlink()
    np.save(folder / "other/9.npy", np.full((3, 12, 12), 1 / 3, np.float32))


def among_older_results(folder: Path) -> None:
    (folder / "out/maps/old").mkdir(parents=True)
    (folder / "out/calibrator.json").write_text("{}")
    (folder / "out/maps/notes.txt").write_text("mine")


def another(folder: Path) -> None:
    (folder / "out/maps").mkdir(parents=True)
    (folder / "out/maps/mine.png").write_bytes(b"of the user")


HAS_RESULTS = [and_then(among_older_results)]
HUGE = [[1e308, -1e308, 1e308]] * 3

ROWS = [
    BadInput(
        "unknown_method",
        "`--method` is the name of no calibrator",
        "refused, with the nearest name",
        make,
        command("--method", "temprature"),
        "--method",
        "temprature",
        "temperature, platt",
        "did you mean 'temperature'",
    ),
    BadInput(
        "method_of_several_classes",
        "a calibrator of several classes for maps of one object",
        "refused",
        make,
        command("--method", "dirichlet"),
        "dirichlet is for several classes",
        "2 classes",
        "",
        "platt or temperature",
    ),
    BadInput(
        "maps_missing",
        "a folder of `--pred` that is not there",
        REFUSED,
        lambda folder: None,
        command(),
        "nothing to judge",
        "maps: no such folder",
        "a folder of maps",
        "",
    ),
    BadInput(
        "mask_missing",
        "a fitted map without a mask",
        "refused; all files without a partner are named",
        and_then(remove("masks/1.png")),
        command(),
        "cannot be judged",
        r"1\.png: no mask",
        "one mask for every map",
        "add the missing files",
    ),
    BadInput(
        "applied_maps_missing",
        "a folder of `--apply` without maps",
        REFUSED,
        and_then(remove("other/9.png")),
        command(),
        "nothing to judge",
        "other: no file with one of the suffixes",
        "",
        "",
    ),
    BadInput(
        "applied_map_broken",
        "a map to calibrate that cannot be read",
        "refused; all such files are named",
        and_then(lambda folder: (folder / "other/9.png").write_bytes(b"no picture")),
        command("--method", "platt"),
        "cannot be judged",
        r"9\.png",
        "",
        "",
    ),
    BadInput(
        "applied_classes",
        "maps to calibrate of another number of classes than the fitted ones",
        "refused; all such files are named",
        and_then(several),
        command("--method", "platt"),
        "cannot be judged",
        r"9\.npy: a map of 3 classes; expected a map of one object",
        "",
        "",
    ),
    BadInput(
        "test_mask_missing",
        "`--test-mask` without the mask of a map",
        "refused; all files without a partner are named",
        make,
        command("--test-mask", "masks"),
        "cannot be judged",
        r"no prediction map|no mask",
        "one mask for every map",
        "",
    ),
    BadInput(
        "scored_on_the_fitted",
        "scores asked for on the images that were fitted to",
        "refused: scores are cross-validated without `--test-mask`",
        make,
        lambda folder: run(*OPTIONS[:5], "--apply", "maps", "--out", "out", "--test-mask", "masks"),
        "--test-mask",
        "both maps",
        "not seen",
        "leave out --test-mask",
    ),
    BadInput(
        "one_image",
        "a single image to fit to, and no masks of others",
        "refused: it cannot be cross-validated",
        lambda folder: make(folder, images=1),
        command(),
        "cannot be cross-validated",
        "1 image",
        "two or more",
        "--test-mask",
    ),
    BadInput(
        "background_alone",
        "masks without any object",
        "refused: nothing determines a calibrator",
        lambda folder: make(folder, foreground=False),
        command(),
        "masks determine no calibrator",
        "background alone",
        "two classes",
        "--mask",
    ),
    BadInput(
        "bins",
        "a number of bins that does not divide 66,300",
        REFUSED,
        make,
        command("--bins", "7"),
        "bins cannot be formed",
        "7",
        "a divisor of 66300",
        "",
    ),
    BadInput(
        "resamples",
        "more resamples than can be kept",
        REFUSED,
        make,
        command("--resamples", "100001"),
        "--resamples cannot be used",
        "100,001",
        "0 to 100,000",
        "--resamples 1000",
    ),
    BadInput(
        "max_pixels",
        "a map larger than `--max-pixels`",
        "refused before it is decoded; all such files are named",
        make,
        command("--max-pixels", "100"),
        "cannot be judged",
        r"0\.png",
        "",
        "",
    ),
    BadInput(
        "features_of_another_method",
        "`--features` or `--shape` with a method that has no such option",
        REFUSED,
        make,
        command("--features", "entropy"),
        "--features is an option of image_temperature",
        "--method auto",
        "",
        "--method image_temperature",
    ),
    BadInput(
        "unknown_feature",
        "a feature that there is not",
        "refused, with the nearest name",
        make,
        command("--method", "image_temperature", "--features", "entropy,forground"),
        "--features: there is no feature",
        "forground",
        "entropy, foreground, margin",
        "did you mean 'foreground'",
    ),
    BadInput(
        "risk_unknown",
        "`--risk` that names no risk",
        REFUSED,
        make,
        command("--risk", "fnn=0.1"),
        "--risk cannot be used",
        "fnn=0.1",
        "fnr=ALPHA or fpr=ALPHA with 0 < ALPHA < 1",
        "did you mean 'fnr'",
    ),
    BadInput(
        "risk_of_nothing",
        "`--risk` with a bound so small that no number of images keeps it",
        REFUSED,
        make,
        command("--risk", "fnr=1e-320"),
        "--risk cannot be used",
        "fnr=1e-320",
        "ALPHA of 1e-09 or more",
        "",
    ),
    BadInput(
        "risk_too_few_images",
        "a bound that so few images cannot keep, whatever the threshold",
        REFUSED,
        make,
        command("--risk", "fpr=0.05"),
        "cannot be kept by so few images",
        "2 in maps",
        "19 or more",
        "a larger ALPHA",
    ),
    BadInput(
        "groups_pattern",
        "`--groups` that is no regular expression",
        REFUSED,
        make,
        command("--groups", "(["),
        "--groups cannot be used",
        r"\(\[",
        "",
        "",
    ),
    BadInput(
        "out_is_an_input",
        "`--out` is a folder of maps",
        "refused: results would be mixed with them",
        make,
        lambda folder: run(*OPTIONS[:7], "--out", "other", "--resamples", "0"),
        "--out other",
        "",
        "",
        "another folder",
    ),
    BadInput(
        "out_maps_is_an_input",
        "maps/ of `--out` is a folder of maps",
        "refused: they would be overwritten",
        make,
        lambda folder: run(*OPTIONS[:7], "--out", ".", "--resamples", "0"),
        r"maps is a folder of maps or masks",
        "",
        "a folder of its own",
        "another --out",
    ),
    BadInput(
        "out_of_the_user",
        "maps/ of `--out` holds files that `calibrate` did not write",
        "refused: they would be removed",
        and_then(another),
        command(),
        "did not write it",
        r"no calibrator\.json",
        "a new folder",
        "another --out",
    ),
    BadInput(
        "out_with_a_folder",
        "maps/ of older results holds a folder, or a file that is no map",
        "the same",
        HAS_RESULTS[0],
        command(),
        r"out/maps has what calibrate did not write(.|\n)*notes\.txt(.|\n)*old",
        "2 that are no maps",
        "calibrated maps alone",
        "move them",
    ),
    BadInput(
        "out_is_a_file",
        "`--out` is a file",
        REFUSED,
        and_then(lambda folder: (folder / "out").write_text("")),
        command(),
        "out is a file",
        "",
        "a folder to write into",
        "",
    ),
    BadInput(
        "file_missing",
        "`judge --calibrator` names no file",
        REFUSED,
        make,
        judged,
        r"calibrator\.json is not a calibrator's file",
        "No such file",
        "`calibrate` wrote",
        "calibrate --pred",
    ),
    BadInput(
        "file_cut_off",
        "a calibrator's file that was cut off",
        REFUSED,
        written('{"version": 1, "calib'),
        judged,
        r"calibrator\.json is not a calibrator's file",
        "Unterminated string",
        "`calibrate` wrote",
        "calibrate --pred",
    ),
    BadInput(
        "file_version",
        "a calibrator's file of another version",
        "refused; file and key are named",
        written(calibrator(version=2)),
        judged,
        r"calibrator\.json.*(.|\n)*version: .*found 2",
        "",
        "",
        "",
    ),
    BadInput(
        "file_name",
        "a calibrator's file with the name of no calibrator",
        "refused, with the nearest name",
        written(calibrator(calibrator="plat")),
        judged,
        r"calibrator\.json: there is no calibrator",
        "plat",
        "temperature, platt",
        "did you mean 'platt'",
    ),
    BadInput(
        "file_parameter",
        "a calibrator's file with a parameter out of bounds",
        "refused; file and key are named",
        written(calibrator(parameters={"temperature": -1})),
        judged,
        r"calibrator\.json: parameters(.|\n)*temperature: .*greater than 0",
        "",
        "",
        "",
    ),
    *(
        BadInput(
            f"file_{name}",
            f"a calibrator's file {fault}",
            "refused; the file and what is wrong are named",
            written(calibrator(calibrator=kind, parameters=parameters)),
            judged,
            r"calibrator\.json: parameters are not those of a fitted calibrator",
            found,
            "what `calibrate` wrote for 2 classes",
            "fit it again",
        )
        for name, fault, kind, parameters, found in (
            ("no_curve", "without its curve", "beta", {"curves": []}, "curves has 0 entries, and not 1"),
            ("two_scales", "with a scale too many", "platt", {"scale": [1, 1], "bias": [0]}, "scale has 2 entries"),
            ("knots", "with a knot too few", "isotonic", {"curves": [{"f": [0, 1], "value": [0]}]}, "2 values of f"),
            ("no_knot", "without knots", "isotonic", {"curves": [{"f": [], "value": []}]}, "0 values of f"),
            (
                "unsorted",
                "with knots out of order",
                "isotonic",
                {"curves": [{"f": [1, 0], "value": [0, 1]}]},
                "to rise",
            ),
            ("falling", "with a curve that falls", "isotonic", {"curves": [{"f": [0, 1], "value": [1, 0]}]}, "falls"),
            (
                "bins",
                "with a bin too few",
                "histogram_binning",
                {"curves": [{"shares": [0.1] * 9}]},
                "9 bins, and not 10",
            ),
            (
                "no_classes",
                "of a calibrator of several classes",
                "dirichlet",
                {"matrix": [[1]], "bias": [0]},
                "several",
            ),
        )
    ),
    BadInput(
        "file_huge",
        "a calibrator's file with numbers so large that none comes out",
        "the same",
        written(calibrator(calibrator="dirichlet", classes=3, parameters={"matrix": HUGE, "bias": [0, 0, 0]})),
        judged,
        r"calibrator\.json: parameters are not those of a fitted calibrator",
        "no numbers",
        "for 3 classes",
        "fit it again",
    ),
    BadInput(
        "file_key",
        "a calibrator's file with a key that there is not",
        "refused; file and key are named",
        written(calibrator(temperature=2)),
        judged,
        r"calibrator\.json(.|\n)*temperature: no such key",
        "",
        "",
        "",
    ),
    BadInput(
        "file_classes",
        "a calibrator of maps of another number of classes",
        "refused",
        written(calibrator(classes=3)),
        judged,
        r"calibrator\.json was fitted to maps of 3 classes",
        "2 classes in maps",
        "as many classes",
        "fit one",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused(row: BadInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    check(row, tmp_path)
    assert (tmp_path / "out/calibrator.json").exists() == (row.make in HAS_RESULTS) and not (
        tmp_path / "judged"
    ).exists()
