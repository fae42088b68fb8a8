"""Exported folders predict as the networks that they hold, and are read without this package."""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace

import exported_folders
import numpy as np
import pytest
from exported_folders import SIZE, predictor, record
from PIL import Image

from pipeline_src.data.image_io import decode_image
from pipeline_src.errors import UserError
from pipeline_src.export import folder
from pipeline_src.prediction.predict import predict_image
from pipeline_src.training.methods.mc_dropout import MCDropout

IMAGE = np.random.default_rng(0).integers(0, 256, (50, 71, 3), dtype=np.uint8)
RUNS = {"config": {"network": "tiny_fpn"}, "calibrated": {"fitted": record()}, "classes": {"classes": 4}}


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_the_folder_predicts_as_the_run(settings, tmp_path):
    run = predictor(**settings)
    config, exported = exported_folders.write(tmp_path, run)
    actual, expected = (predict_image(of, IMAGE, SIZE, "a") for of in (exported, run))
    assert np.abs(actual - expected).max() < 1e-5 and np.ptp(expected) > 0.001
    assert config.image_size == SIZE and exported.fitted == run.fitted


def test_half_precision_halves_the_weights_and_hardly_changes_the_maps(tmp_path):
    run = predictor(network="tiny_fpn")
    exported_folders.write(tmp_path / "full", run)
    half = exported_folders.write(tmp_path / "half", run, half=True)[1]
    sizes = [(tmp_path / name / folder.MODEL).stat().st_size for name in ("full", "half")]
    actual, expected = (predict_image(of, IMAGE, SIZE, "a") for of in (half, run))
    assert sizes[0] - sizes[1] > 400_000  # of 840,000 bytes of weights
    assert 0 < np.abs(actual - expected).max() < folder.HALF_TOLERANCE


@pytest.mark.parametrize(("classes", "image"), [(2, IMAGE), (4, IMAGE[: SIZE // 2])], ids=["large", "small"])
def test_the_code_of_the_card_needs_only_torch_and_opencv(classes, image, tmp_path):
    run = predictor(classes)
    exported_folders.write(tmp_path, run)
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(image).save(tmp_path / "photo.jpg", exif=turned)
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / folder.CARD).read_text(), re.DOTALL)
    code = "import sys; sys.modules.update(dict.fromkeys(('pipeline_src', 'mmseg', 'mmengine', 'timm')))\n" + code
    save = "import numpy; numpy.save('f.npy', probabilities.numpy())"
    subprocess.run([sys.executable, "-c", f"{code}\n{save}"], cwd=tmp_path, check=True)
    image = decode_image((tmp_path / "photo.jpg").read_bytes())
    assert np.abs(np.load(tmp_path / "f.npy") - predict_image(run, image, SIZE, "a")).max() < 1e-5


@pytest.mark.parametrize("name", [folder.MODEL, folder.CONFIG, folder.CALIBRATOR])
@pytest.mark.parametrize("fault", ["missing", "damaged", "not listed"])
def test_a_faulty_file_is_named(name, fault, tmp_path):
    exported_folders.write(tmp_path, predictor(fitted=record()))
    file = tmp_path / name
    if fault == "missing":
        file.unlink()
    elif fault == "damaged":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        (tmp_path / folder.SUMS).write_text("")
    with pytest.raises(UserError, match=rf"{name}(.|\n)*{folder.SUMS}"):
        folder.read_folder(tmp_path)


@pytest.fixture
def export(monkeypatch, tmp_path):
    """Export a stand-in for a trained run a/b/seed0 with this predictor."""

    def exported(predictor):
        facts = SimpleNamespace(classes=2, class_names=())
        settings = SimpleNamespace(image_size=SIZE, model_dump=lambda mode: {"epochs": 3})
        experiment = SimpleNamespace(
            settings=settings, facts=facts, methods={"b": SimpleNamespace(method=predictor.method)}
        )
        jobs = [SimpleNamespace(fingerprint="f0")]
        run = SimpleNamespace(
            name="a/b/seed0", method="b", seed=0, experiment=experiment, jobs=jobs, predictor=lambda: predictor
        )
        monkeypatch.setattr(folder.runs, "find", lambda name: run)
        folder.export("a/b/seed0", tmp_path / "out")
        return tmp_path / "out"

    return exported


def test_the_folder_names_its_run(export):
    export(predictor())
    provenance = folder.read_folder(export(predictor(fitted=record())))[0].provenance  # replaces the first one
    assert (provenance["run"], provenance["seed"], provenance["fingerprints"]) == ("a/b/seed0", 0, ["f0"])
    assert provenance["method"]["entry"] == "b" and provenance["experiment"] == {"epochs": 3}


@pytest.mark.parametrize("run", [{"networks": 2}, {"method": MCDropout()}], ids=["several networks", "random passes"])
def test_a_run_that_is_more_than_a_network_and_a_calibrator_is_refused_and_replaces_nothing(run, export, tmp_path):
    before = (export(predictor()) / folder.SUMS).read_bytes()
    with pytest.raises(UserError, match="differ"):
        export(predictor(**run))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / folder.SUMS).read_bytes() == before
