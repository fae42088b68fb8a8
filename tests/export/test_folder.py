"""Exported folders: equal to the networks that they are made of, by torch, by ONNX Runtime and without this package."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import exported_folders
import numpy as np
import pytest
import torch
from damaged import written_into
from exported_folders import SIZE, predictor, record

from pipeline_src.data.image_io import decode_image, resize
from pipeline_src.deployment import export as step
from pipeline_src.errors import UserError
from pipeline_src.export import folder, graph, members, onnx_file
from pipeline_src.export.standalone import ExportedModel
from pipeline_src.prediction.predict import Predictor
from pipeline_src.training import callbacks
from pipeline_src.training.calibrated import calibrated_method
from pipeline_src.training.methods.baseline import Baseline
from pipeline_src.training.methods.mc_dropout import MCDropout
from pipeline_src.training.methods.tta import TTA
from pipeline_src.training.posthoc import PostHoc

Temperature = calibrated_method("temperature")

WORDS = ("import os", "import torch.hub", "from os import system")
CODE = (
    "open('x')",
    "torch.load('x')",
    "torch.ops.aten.from_file.default('x')",
    "().__class__",
    "x.__class__.__bases__",
    "torch.hub.load",
    "lambda: 0",
    "[y for y in x]",
    "f'{x}'",
)


@pytest.fixture(scope="module")
def network() -> Predictor:
    return predictor(network="tiny_fpn")


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory) -> Path:
    """With a calibrator and a model.onnx."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    out = tmp_path_factory.mktemp("exported") / "folder"
    exported_folders.write(out, network, record(), onnx=True)
    return out


def photographs(number: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (number, 3, 50, 71), dtype=np.uint8))


def by_run(of: Predictor, images: torch.Tensor) -> torch.Tensor:
    """Probabilities as in evaluation: resized by OpenCV."""
    small = np.stack([resize(image.permute(1, 2, 0).numpy(), SIZE) for image in images])
    with torch.inference_mode():
        z = callbacks.logits(
            of.method, of.networks, torch.from_numpy(small).permute(0, 3, 1, 2), ["a"] * len(images), 0
        )
        maps = [
            callbacks.probability(of.method, [each[i] for each in z], images.shape[2:], of.fitted)
            for i in range(len(images))
        ]
    return torch.from_numpy(np.stack(maps))


def by_folder(model: ExportedModel, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return model(images)


def test_it_predicts_what_the_run_does(exported, network):
    calibrated = Predictor(network.networks, Temperature(), fitted=record())
    assert (by_folder(folder.read(exported), photographs(3)) - by_run(calibrated, photographs(3))).abs().max() < 1e-5
    assert not folder.read(exported).settings["single"]


def test_its_weights_have_the_names_of_the_runs(exported, network):
    names = {*network.networks[0].segmentor.state_dict(), "mean", "std"}
    assert set(folder.read(exported).names) == names


@pytest.mark.parametrize(("number", "height", "width"), [(1, 32, 32), (3, 64, 64), (2, 21, 95), (1, 301, 200)])
def test_onnx_is_torch(exported, number, height, width):
    images = torch.randint(0, 256, (number, 3, height, width), dtype=torch.uint8)
    assert onnx_file.differences(folder.read(exported), exported / folder.ONNX, images).max() < onnx_file.TOLERANCE


def test_onnx_is_torch_on_photographs(exported, downloads):
    model, seen = folder.read(exported), 0
    with tarfile.open(downloads / "archives/ECSSD.tar") as archive:
        for member in archive:
            if seen < 20 and member.name.endswith(".jpg"):
                image = decode_image(archive.extractfile(member).read())
                images = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
                off = onnx_file.differences(model, exported / folder.ONNX, images)
                assert off.max() < onnx_file.TOLERANCE, member.name
                seen += 1
    assert seen == 20


def test_onnx_says_what_it_takes_and_nothing_of_this_machine(exported):
    import onnx

    proto = onnx.load(str(exported / folder.ONNX))
    onnx.checker.check_model(proto)
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", onnx_file.OPSET)]
    dims = [dim.dim_param or dim.dim_value for dim in proto.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", 3, "height", "width"]
    assert str(Path(__file__).parents[2]).encode() not in (exported / folder.ONNX).read_bytes()


BARE = """
import sys
FOREIGN = "pipeline_src mmseg mmengine mmcv cv2 PIL pandas scipy pydantic timm yaml onnx onnxruntime jinja2".split()
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FOREIGN:
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[1])
import torch
from load import load
images = torch.arange(2 * 3 * 40 * 50).remainder(256).to(torch.uint8).view(2, 3, 40, 50)
with torch.inference_mode():
    f = load()(images)
assert not set(FOREIGN) & {name.partition(".")[0] for name in sys.modules}
print(tuple(f.shape), float(f.double().sum()))
"""


def test_torch_and_safetensors_are_enough(exported, tmp_path):
    images = torch.arange(2 * 3 * 40 * 50).remainder(256).to(torch.uint8).view(2, 3, 40, 50)
    (tmp_path / "bare.py").write_text(BARE)
    words = [sys.executable, "-I", str(tmp_path / "bare.py"), str(exported)]
    said = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    shape, total = said.stdout.rsplit(maxsplit=1)
    assert shape == "(2, 40, 50)"
    assert float(total) == pytest.approx(float(by_folder(folder.read(exported), images).double().sum()), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        ("model.py", lambda data: data + b"\n"),
        ("load.py", lambda data: data + b"\n"),
        ("network.py", lambda data: data + b"\n"),
        ("preprocessing.json", lambda data: data + b"\n"),
        ("calibrator.json", lambda data: b"{}"),
        ("SHA256SUMS", lambda data: data[:70]),  # cut off in the first line
        ("SHA256SUMS", lambda data: b"\xff" + data),
    ],
)
def test_load_py_refuses_what_was_not_exported(tmp_path, name, change):
    exported_folders.write(tmp_path, predictor())
    load = runpy.run_path(str(tmp_path / "load.py"))["load"]
    with open(tmp_path / "SHA256SUMS", "a") as file:
        file.write("\n")  # harms nothing
    assert load(str(tmp_path)) is not None
    file = tmp_path / name
    file.write_bytes(change(file.read_bytes() if file.exists() else b""))
    with pytest.raises(ValueError, match="is not the file that was exported"):
        load(tmp_path)


def test_changed_line_ends_are_named(tmp_path):
    exported_folders.write(tmp_path, predictor())
    file = tmp_path / "network.py"
    as_it_was = file.read_bytes()
    file.write_bytes(as_it_was.replace(b"\n", b"\r\n"))
    load = runpy.run_path(str(tmp_path / "load.py"))["load"]
    for loaded, error in ((load, ValueError), (folder.read, UserError)):
        with pytest.raises(error, match=r"network\.py is not the file that was exported") as raised:
            loaded(tmp_path)
        assert "line ends" in str(raised.value) and "autocrlf" in str(raised.value)
    file.write_bytes(as_it_was + b"\n")
    with pytest.raises(UserError) as raised:
        folder.read(tmp_path)
    assert "line ends" not in str(raised.value)


def test_git_leaves_line_ends_of_a_folder_as_they_are(tmp_path):
    exported_folders.write(tmp_path / "own", predictor())
    git = [
        "git",
        "-c",
        "core.autocrlf=true",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
        "-C",
        str(tmp_path / "own"),
    ]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True)
    subprocess.run([*git[:3], "clone", "-q", str(tmp_path / "own"), str(tmp_path / "clone")], check=True)
    assert folder.read(tmp_path / "clone") is not None
    assert (tmp_path / "clone/network.py").read_bytes() == (tmp_path / "own/network.py").read_bytes()


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="there is no sha256sum")
def test_one_command_finds_any_altered_file_of_the_list(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "copy")
    names = [line.split()[1] for line in (exported / "SHA256SUMS").read_text().splitlines()]
    assert {"model.onnx", *folder.PREDICTS, *folder.COPIED} <= {*names}
    command = ["sha256sum", "-c", "SHA256SUMS"]
    assert not subprocess.run(command, cwd=tmp_path / "copy", check=False).returncode
    for name in names:
        written_into(tmp_path / "copy" / name)
        assert subprocess.run(command, cwd=tmp_path / "copy", check=False).returncode, name
        written_into(tmp_path / "copy" / name)


@pytest.mark.parametrize(
    ("classes", "networks", "method"),
    [(2, 1, TTA(scales=[1.0, 2.0])), (2, 3, PostHoc()), (4, 1, PostHoc()), (4, 2, None)],
)
def test_methods_that_average(classes, networks, method, tmp_path):
    of = predictor(classes, networks, MCMean() if method is None else method)
    model = exported_folders.write(tmp_path / "out", of)
    assert (by_folder(model, photographs(2)) - by_run(of, photographs(2))).abs().max() < 1e-5


class MCMean(PostHoc):
    """A user's method with other predictions, and the mean of their probabilities."""

    def logits(self, networks, x, ids, seed):
        return [network(x) for network in networks] + [networks[0](255 - x)]


def test_a_network_that_takes_one_image_at_a_time(tmp_path, caplog):
    class OneByOne(PostHoc):
        def logits(self, networks, x, ids, seed):
            return [networks[0](x) * (len(x) if isinstance(len(x), int) else 1) / int(x.shape[0])]

    of = predictor(method=OneByOne())
    model = exported_folders.write(tmp_path / "out", of)
    assert model.settings["single"] and "takes one image at a time" in caplog.text and "constant" in caplog.text
    assert (by_folder(model, photographs(3)) - by_run(of, photographs(3))).abs().max() < 1e-5


@pytest.mark.parametrize("classes", [2, 3])
def test_a_factorys_network_takes_any_number_of_images(tmp_path, classes):
    of = predictor(classes)
    model = exported_folders.write(tmp_path / "out", of)
    assert not model.settings["single"]
    off = by_folder(model, photographs(5)) - by_run(of, photographs(5))
    assert off.abs().max() < 1e-5


class Halved(PostHoc):
    """A user's method with other probabilities."""

    def probability(self, logits, size, fitted):
        return super().probability(logits, size, fitted) / 2


@pytest.mark.parametrize("method", [MCDropout(), Temperature(), Halved()])
def test_what_cannot_leave_the_program_is_refused(method):
    with pytest.raises(UserError, match="cannot be exported"):
        members.calibrator_of(predictor(method=method), "block")


@pytest.mark.parametrize("line", [*WORDS, *(f"y = {code}" for code in CODE)])
def test_a_network_file_with_code_is_not_run(line, tmp_path):
    file = tmp_path / "network.py"
    head, rest = ("", f"    {line}\n") if line.startswith("y") else (f"{line}\n", "")
    file.write_text(f"{head}import torch\n\n\ndef logits(weights, x):\n{rest}    return (x,)\n")
    with pytest.raises(UserError, match="is not run"):
        graph.check(file)
    file.write_text(
        "import torch\n\n\ndef logits(weights, x):\n    y = torch.ops.aten.relu.default(x)\n    return (y,)\n"
    )
    assert graph.check(file).endswith("return (y,)\n")


def test_the_same_run_gives_the_same_bytes(network, exported, tmp_path):
    exported_folders.write(tmp_path / "again", network, record())
    for name in folder.PREDICTS:
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes(), name


def test_a_wrong_onnx_file_is_found(exported, tmp_path):
    model = folder.read(exported)
    other = ExportedModel(model.network, {name: getattr(model, of) for name, of in model.names.items()}, model.settings)
    with pytest.raises(UserError, match="differs from torch"):
        folder.check_onnx(other, exported / folder.ONNX)


@pytest.mark.slow
def test_a_calibrator_that_magnifies_the_last_bit_of_a_logit_is_exported(network, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    middle = float(by_folder(exported_folders.write(tmp_path / "plain", network), photographs(2)).median())
    curve = {"f": [middle - 5e-3, middle + 5e-3], "value": [0.0, 1.0]}
    steep = record(calibrator="isotonic", parameters={"curves": [curve]})
    model = exported_folders.write(tmp_path / "steep", network, steep, onnx=True)
    exact = model.network
    model.network = lambda tensors, x: [z + 5e-6 for z in exact(tensors, x)]  # more than any machine is off
    folder.check_onnx(model, tmp_path / "steep" / folder.ONNX)
    session = onnxruntime.InferenceSession(tmp_path / "steep" / folder.ONNX)
    assert [output.name for output in session.get_outputs()] == [onnx_file.OUTPUT]
    (actual,) = session.run(None, {onnx_file.INPUT: photographs(2).numpy()})
    off = np.abs(actual - by_folder(model, photographs(2)).numpy())
    assert (off > onnx_file.TOLERANCE).mean() > 1e-3


def test_preprocessing_says_what_is_done(exported):
    told = json.loads((exported / folder.PREPROCESSING).read_text())
    assert told["image_size"] == SIZE and told["mean"] == [127.5] * 3 and told["channels"].startswith("RGB")


@pytest.fixture
def finished_run(monkeypatch):
    """In the place of a run that was trained: a/b/seed0."""
    facts = SimpleNamespace(classes=2, class_names=())
    experiment = SimpleNamespace(settings=SimpleNamespace(image_size=SIZE), facts=facts)
    run = SimpleNamespace(name="a/b/seed0", method="b", experiment=experiment, predictor=predictor, made_of=[])
    monkeypatch.setattr(step.runs, "find", lambda name: run)
    monkeypatch.setattr(step, "_facts", lambda run: {"normalisation": ([1, 2, 3], [4, 5, 6]), "run": run.name})
    monkeypatch.setattr(step, "_config", lambda *of: {})
    monkeypatch.setattr(step, "_card", lambda *of: SimpleNamespace(text=lambda: "card"))


def test_a_folder_that_predicts_otherwise_than_the_run_is_not_put_in_place(finished_run, tmp_path, monkeypatch):
    step.export("a/b/seed0", tmp_path / "out", onnx=False)
    before, read = (tmp_path / "out" / folder.SUMS).read_bytes(), folder.read

    def altered(*of, **options):
        model = read(*of, **options)
        getattr(model, model.names["mean"]).add_(1)
        return model

    monkeypatch.setattr(folder, "read", altered)
    monkeypatch.setattr(step, "_card", lambda *of: SimpleNamespace(text=lambda: "another card"))
    with pytest.raises(UserError, match="the exported network differs from the run's"):
        step.export("a/b/seed0", tmp_path / "out", onnx=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / folder.SUMS).read_bytes() == before
    assert (tmp_path / "out" / folder.CARD).read_text() == "card"


def test_an_onnx_file_that_differs_is_refused_when_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "write", lambda model, file, description: file.touch())
    for off, refused in ((0.9, False), (1.1, True)):
        monkeypatch.setattr(onnx_file, "differences", lambda *of, off=off: np.array([0, off * onnx_file.TOLERANCE]))
        with pytest.raises(UserError, match="differs from torch") if refused else nullcontext():
            exported_folders.write(tmp_path, predictor(), onnx=True)


@pytest.mark.parametrize("out", ["link", "."])
def test_a_link_and_the_working_folder_are_replaced_like_any_other(out, finished_run, tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / ("real" if out == "." else ""))
    for _ in range(2 if out == "link" else 1):
        step.export("a/b/seed0", Path(out), onnx=False)
    told = json.loads((tmp_path / "real" / folder.PREPROCESSING).read_text())
    assert (told["mean"], told["std"], told["image_size"]) == ([1, 2, 3], [4, 5, 6], SIZE)
    assert (tmp_path / "real/README.md").read_text() == "card" and (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


@pytest.mark.parametrize("moment", ["former removed", "new put in place"])
def test_an_export_that_is_killed_leaves_a_whole_folder(finished_run, tmp_path, monkeypatch, moment):
    step.export("a/b/seed0", out := tmp_path / "out", onnx=False)
    names = sorted(path.name for path in out.iterdir())
    remove, replace = shutil.rmtree, os.replace

    def killed_removing(path, **options):
        if (path / folder.WEIGHTS).exists():
            (path / folder.WEIGHTS).unlink()
            raise KeyboardInterrupt
        remove(path, **options)

    def killed_replacing(source, target):
        if target == out:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if moment == "former removed":
            patch.setattr(shutil, "rmtree", killed_removing)
        else:
            patch.setattr(os, "replace", killed_replacing)
        step.export("a/b/seed0", out, onnx=False)
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(step.runs, "find", lambda name: 1 / 0)
        step.export("a/b/seed0", out, onnx=False)  # which puts back what is whole
    assert sorted(path.name for path in out.iterdir()) == names
    step.export("a/b/seed0", out, onnx=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(("kind", "text"), [(Baseline, ""), (Temperature, ": Guo et al., ICML 2017")])
def test_the_card_names_the_source_of_a_method_that_has_one(kind, text):
    methods = {"it": SimpleNamespace(method=kind())}
    assert step._source(SimpleNamespace(experiment=SimpleNamespace(methods=methods)), "it") == text
