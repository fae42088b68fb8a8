"""Volumes, logits, patterns of files, and maps without masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline_src.errors import UserError
from pipeline_src.maps.calibrate import calibrate_folder
from pipeline_src.maps.files import files_by_stem, form_of, pairs_and_warnings, read_pair
from pipeline_src.maps.judge import judge_folder

nibabel = pytest.importorskip("nibabel")
AFFINE = np.array([[1.0, 0, 0, 5], [0, 2, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
SHAPE = (5, 7, 9)  # depth, height, width


def save_nifti(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    """Write values (z, y, x), or (K, z, y, x) of K classes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.T, affine), path)


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    """Twelve volumes as probabilities and logits, in the forms of several programs."""
    root = tmp_path_factory.mktemp("volumes")
    random = np.random.default_rng(0)
    for folder in ("logits", "two logits", "arrays", "nnunet", "classes"):
        (root / folder).mkdir()
    for case in range(12):
        z = random.normal(0, 3, SHAPE).astype(np.float32)
        truth = (random.random(SHAPE) < 1 / (1 + np.exp(-z / 2))).astype(np.uint8)
        f = (1 / (1 + np.exp(-z))).astype(np.float32)
        save_nifti(root / f"maps/c{case}.nii.gz", f)
        save_nifti(root / f"masks/c{case}.nii.gz", truth)
        np.savez_compressed(root / f"nnunet/c{case}.npz", probabilities=np.stack([1 - f, f]))
        save_nifti(root / f"nnunet/c{case}.nii.gz", truth)
        np.save(root / f"logits/c{case}.npy", z)
        np.save(root / f"two logits/c{case}.npy", np.stack([-z / 2, z / 2]))
        np.save(root / f"arrays/c{case}.npy", truth)
        save_nifti(root / f"classes/c{case}.nii", np.stack([1 - f, f / 2, f / 2]))
    return root


def judged(pred: Path, mask: Path | None, out: Path, **options) -> dict:
    return judge_folder(pred, mask, "net", out, resamples=0, **options)


def test_the_axes_of_a_volume_are_those_of_its_mask(cases):
    pairs = pairs_and_warnings(cases / "maps", cases / "masks")[0]
    saved = read_pair(pairs[0], form_of(pairs))
    truth = np.load(cases / f"arrays/{pairs[0].stem}.npy")
    assert np.array_equal(saved.target.reshape(SHAPE), truth)
    z = np.load(cases / f"logits/{pairs[0].stem}.npy")
    np.testing.assert_allclose(saved.probability.reshape(SHAPE), 1 / (1 + np.exp(-z)), atol=1e-6)


def test_all_forms_of_a_volume_have_one_result(cases, tmp_path):
    nifti = judged(cases / "maps", cases / "masks", tmp_path / "nifti")
    nnunet = judged(cases / "nnunet", cases / "masks", tmp_path / "nnunet")
    logits = judged(cases / "logits", cases / "arrays", tmp_path / "logits", logits=True)
    assert nifti["n_images"] == 12 and nifti["n_pixels"] == 12 * np.prod(SHAPE)
    assert nnunet["raw"] == nifti["raw"]
    assert logits["raw"]["ece"] == pytest.approx(nifti["raw"]["ece"], abs=1e-7)
    assert "stretched" not in nifti and "s_measure" in nifti["undefined"]["raw"]


def test_a_volume_of_classes_has_them_first(cases, tmp_path):
    result = judged(cases / "classes", cases / "masks", tmp_path / "out")
    assert result["n_classes"] == 3 and result["n_images"] == 12


def test_a_volume_of_another_size_is_refused(cases, tmp_path):
    save_nifti(tmp_path / "maps/c0.nii.gz", np.full(SHAPE[::-1], 0.5, np.float32))
    save_nifti(tmp_path / "masks/c0.nii.gz", np.zeros(SHAPE, np.uint8))
    with pytest.raises(UserError, match="9 x 7 x 5"):
        judged(tmp_path / "maps", tmp_path / "masks", tmp_path / "out")


def test_a_volume_in_another_orientation_is_refused(cases, tmp_path):
    f = np.asarray(nibabel.load(cases / "maps/c0.nii.gz").dataobj).T
    save_nifti(tmp_path / "c0.nii.gz", f, AFFINE + 1e-5)
    assert judged(tmp_path / "c*.nii.gz", cases / "masks/c*.nii.gz", tmp_path / "out", skip_unpaired=True)
    save_nifti(tmp_path / "c0.nii.gz", f, np.diag([-1, 1, 1, 1]) @ AFFINE)
    with pytest.raises(UserError, match=r"c0\.nii\.gz(.|\n)*masks/c0\.nii\.gz(.|\n)*-5") as error:
        judged(tmp_path / "c*.nii.gz", cases / "masks/c*.nii.gz", tmp_path / "out", skip_unpaired=True)
    assert "affine" in str(error.value)


def test_calibrated_volumes_have_the_form_of_the_files(cases, tmp_path):
    for name in ("maps", "nnunet"):
        calibrate_folder(cases / name, cases / "masks", cases / name, tmp_path / name, resamples=0)
    written = nibabel.load(tmp_path / "maps/maps/c3.nii.gz")
    assert np.array_equal(written.affine, AFFINE) and written.shape == SHAPE[::-1]
    assert written.get_data_dtype() == np.float32
    planes = np.load(tmp_path / "nnunet/maps/c3.npz")["probabilities"]
    np.testing.assert_allclose(planes[1], np.asarray(written.dataobj).T, atol=1e-7)
    np.testing.assert_allclose(planes.sum(axis=0), 1, atol=1e-6)


def test_a_volume_of_two_slices_is_no_volume_of_two_classes(cases, tmp_path):
    for folder in ("maps", "masks"):
        for file in (cases / folder).iterdir():
            save_nifti(tmp_path / folder / file.name, np.asarray(nibabel.load(file).dataobj).T[:2])
    folders = (tmp_path / "maps", tmp_path / "masks", tmp_path / "maps", tmp_path / "out")
    calibrate_folder(*folders, resamples=0)
    assert nibabel.load(tmp_path / "out/maps/c0.nii.gz").shape == (*SHAPE[:0:-1], 2)


def test_a_fit_to_logits_takes_those_that_probabilities_cannot_hold(tmp_path):
    random = np.random.default_rng(1)
    for folder in ("maps", "masks"):
        (tmp_path / folder).mkdir()
    for image in range(12):
        z = random.normal(0, 2, (40, 50))
        truth = random.random(z.shape) < 1 / (1 + np.exp(-z))
        np.save(tmp_path / f"maps/{image}.npy", 20 * z)  # most probabilities are 0 or 1 in float32
        np.save(tmp_path / f"masks/{image}.npy", truth)
    out = tmp_path / "out"
    folders = (tmp_path / "maps", tmp_path / "masks", tmp_path / "maps", out)
    calibrate_folder(*folders, resamples=0, logits=True)
    record = json.loads((out / "calibrator.json").read_text())
    assert record["parameters"]["temperature"] == pytest.approx(20, rel=0.05)


def test_of_two_logits_the_difference_is_fitted(cases, tmp_path):
    temperatures = []
    for folder in ("logits", "two logits"):
        folders = (cases / folder, cases / "arrays", cases / folder, tmp_path / folder)
        calibrate_folder(*folders, resamples=0, logits=True)
        record = json.loads((tmp_path / folder / "calibrator.json").read_text())
        temperatures.append(record["parameters"]["temperature"])
    assert temperatures[1] == pytest.approx(temperatures[0], rel=1e-4)
    assert temperatures[0] == pytest.approx(2, rel=0.1)  # the labels are drawn with it


def test_patterns_pair_by_what_the_stars_stand_for(cases, tmp_path):
    for case in range(3):
        (tmp_path / f"maps/c{case}").mkdir(parents=True)
        np.save(tmp_path / f"maps/c{case}/prob.npy", np.load(cases / f"logits/c{case}.npy"))
    pairs, _ = pairs_and_warnings(tmp_path / "maps/*/prob.npy", cases / "arrays/*.npy", skip_unpaired=True)
    assert [pair.stem for pair in pairs] == ["c0", "c1", "c2"]
    with pytest.raises(UserError, match=r"c11\.npy"):
        pairs_and_warnings(tmp_path / "maps/*/prob.npy", cases / "arrays/*.npy")[0]


def test_two_stars_stand_for_any_number_of_folders(tmp_path):
    (tmp_path / "run[1]/v/w").mkdir(parents=True)
    for name in ("a", "v/b", "v/w/c"):
        (tmp_path / f"run[1]/{name}.npy").touch()
    assert files_by_stem(tmp_path / "run[1]/**/*.npy", (".npy",)).keys() == {"a", "v/b", "v/w/c"}


def test_a_link_to_a_folder_above_it_gives_no_map_twice(tmp_path):
    (tmp_path / "v").mkdir()
    (tmp_path / "v/a.npy").touch()
    (tmp_path / "v/back").symlink_to(tmp_path)
    assert files_by_stem(tmp_path, (".npy",)) == {"v/a": tmp_path / "v/a.npy"}


def test_what_is_left_out_is_counted(cases, tmp_path):
    (tmp_path / "maps").mkdir()
    np.save(tmp_path / "maps/c1.npy", np.load(cases / "logits/c1.npy"))
    folders = (tmp_path / "maps", cases / "arrays", tmp_path / "out")
    result = judged(*folders, logits=True, skip_unpaired=True)
    assert result["n_images"] == 1 and any(text.startswith("11 ") for text in result["warnings"])


def test_maps_without_an_object_need_no_masks(cases, tmp_path):
    result = judged(cases / "maps", None, tmp_path / "none")
    empty = tmp_path / "empty"
    for case in range(12):
        save_nifti(empty / f"c{case}.nii.gz", np.zeros(SHAPE, np.uint8))
    assert result["raw"] == judged(cases / "maps", empty, tmp_path / "zeros")["raw"]
