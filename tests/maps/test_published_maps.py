"""Maps of a published model, against the numbers of its authors' program."""

from __future__ import annotations

import json
import tarfile

import pytest

from pipeline_src.maps.judge import judge_folder


@pytest.mark.parametrize("name", ["ECSSD", "DTD"])
def test_maps_of_a_published_model_give_its_authors_numbers(downloads, tmp_path, name):
    """U2-Net's maps against what the released evaluation program prints for them."""
    saved = downloads / "predictions"
    if not (saved / "U2Net" / f"{name}.tar").is_file():
        pytest.skip(f"no saved maps of {name}")
    with tarfile.open(saved / "U2Net" / f"{name}.tar") as archive:
        archive.extractall(tmp_path / "maps", filter="data")
    with tarfile.open(downloads / "archives" / f"{name}.tar") as archive:
        archive.extractall(tmp_path / "set", filter="data")
    masks = tmp_path / "set" / "GT"
    stems = {path.stem for path in (tmp_path / "maps").iterdir()}
    for path in masks.iterdir():
        if path.stem not in stems:
            path.unlink()
    result = judge_folder(tmp_path / "maps", masks, "U2Net", tmp_path / "out", resamples=0)
    reference = json.loads((saved / "reference.json").read_text())[name]
    for key in ("ece", "oe", "accuracy"):
        assert result["raw"][key] == pytest.approx(reference[key], abs=1e-6), key
    # Theirs leaves out and repeats pixels where ties meet edges taken from a sample: of the same size only.
    theirs = reference["ece_equal_mass_authors"]
    assert 0.5 * theirs < result["raw"]["ece_equal_mass"] < 1.5 * theirs
    assert abs(result["raw"]["ece"] - result["stretched"]["ece"]) > 1e-4
