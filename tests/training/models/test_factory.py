"""Any network that a function builds; a wrong one is refused before it trains."""

from __future__ import annotations

import re

import pytest
import torch
from networks import trains_and_comes_back

from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.pipeline import fingerprint
from pipeline_src.pipeline.jobs import build
from pipeline_src.python_source import ROOT
from pipeline_src.training.models.build import build_segmentor

TIED = """
from torch import nn

class Tied(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.enter = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.one = nn.Conv2d(8, 8, 1)
        self.other = self.one  # one tensor under two names
        self.leave = nn.Sequential(nn.BatchNorm2d(8), nn.Conv2d(8, outputs, 1))

    def forward(self, x):
        return self.leave(self.other(self.one(self.enter(x)).relu()))

build = Tied
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, which is also where modules are imported from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("classes", [2, 3])
def test_a_function_of_a_file_or_of_a_package(folder, classes):
    package = folder / f"nets_{classes}"
    package.mkdir()
    (package / "__init__.py").touch()
    for file, factory in ((folder / "net.py", "net.py:build"), (package / "net.py", f"nets_{classes}.net:build")):
        file.write_text(TIED)
        model = trains_and_comes_back(factory, classes, folder)
        assert model.segmentor.network.leave[1].out_channels == (1 if classes == 2 else 3)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def biuld(outputs): pass", r"has no function 'build'[\s\S]*did you mean 'biuld'"),
        ("1 / 0", "can't be imported[\\s\\S]*ZeroDivisionError"),
        ("import sys; sys.exit()", "can't be imported[\\s\\S]*SystemExit"),
        ("def build(outputs): raise SystemExit(0)", "net.py:build fails[\\s\\S]*SystemExit"),
        (
            "class A(nn.Conv2d):\n    def forward(self, x): return super().forward(x) * 2\n"
            "build = lambda outputs: nn.Sequential(nn.Conv2d(3, 4, 1), A(4, 1, 1)).requires_grad_(False)",
            r"fails on an image[\s\S]*does not require grad",
        ),
        (
            "class A(nn.Conv2d):\n    def forward(self, x): return super().forward(x) if not self.training else 1 / 0\n"
            "build = lambda outputs: A(3, 1, 1)",
            r"fails on an image[\s\S]*ZeroDivisionError",
        ),
        ("def build(outputs): return outputs / 0", "net.py:build fails[\\s\\S]*ZeroDivisionError"),
        ("def build(outputs): return 'a'", r"builds no network\n  found:    str"),
        (
            "build = lambda outputs: nn.Conv2d(3, 2, 1)",
            r"one map of logits per class[\s\S]*\(1, 2, 64, 64\)[\s\S]*\(1, 1,",
        ),
        ("build = lambda outputs: nn.Flatten()", r"one map of logits per class[\s\S]*\(1, 12288\)"),
        (
            "class A(nn.Module):\n    def forward(self, x): return {'out': x, 'aux': x}\nbuild = lambda outputs: A()",
            "found:    a dict of out, aux",
        ),
        ("build = lambda outputs: nn.Conv2d(4, 1, 1)", r"model.factory: net.py:build fails on an image of 64 x 64"),
    ],
)
def test_a_wrong_network_is_refused(folder, code, message):
    (folder / "net.py").write_text("from torch import nn\n" + code)
    with pytest.raises(UserError, match=message):
        build_segmentor("net.py:build", False, 64)


@pytest.mark.parametrize(("end", "warned"), [("nn.Sigmoid()", True), ("nn.Identity()", False)])
def test_probabilities_in_the_place_of_logits_give_a_warning(folder, caplog, end, warned):
    (folder / "net.py").write_text(f"from torch import nn\nbuild = lambda n: nn.Sequential(nn.Conv2d(3, n, 1), {end})")
    build_segmentor("net.py:build", False, 64)
    assert ("sigmoid or softmax" in caplog.text) == warned


def test_trying_it_out_leaves_no_trace(folder):
    (folder / "net.py").write_text(TIED)
    torch.manual_seed(5)
    network = build_segmentor("net.py:build", False, 64)
    after = torch.rand(1)
    assert network.network.leave[0].num_batches_tracked == 0 and network.network.leave[0].running_mean.eq(0).all()
    assert all(p.grad is None for p in network.parameters()) and network.training
    torch.manual_seed(5)
    for module in (torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 8, 1), torch.nn.Conv2d(8, 1, 1)):  # as TIED draws
        assert module.weight is not None
    assert torch.equal(torch.rand(1), after)


def test_a_file_imports_what_lies_beside_it(folder):
    (folder / "deep").mkdir()
    (folder / "deep/beside_of_tests.py").write_text("WIDTH = 5\n")
    (folder / "deep/net.py").write_text(
        "from torch import nn\nfrom beside_of_tests import WIDTH\n"
        "build = lambda n: nn.Sequential(nn.Conv2d(3, WIDTH, 1), nn.Conv2d(WIDTH, n, 1))\n"
    )
    assert build_segmentor("deep/net.py:build", False, 64).network[0].out_channels == 5


def test_a_missing_file_or_module_is_refused(folder):
    with pytest.raises(UserError, match="no such file"):
        build_segmentor("absent.py:build", False, 64)
    with pytest.raises(UserError, match=r"module absent_net can't be imported[\s\S]*or name a file"):
        build_segmentor("absent_net:build", False, 64)


@pytest.fixture
def contracts(folder):
    """Contracts of all training runs of `tiny` with another model."""
    params = (ROOT.parent / "params.yaml").read_text()

    def of(model: str) -> set[str]:
        fingerprint.forget_code()
        (folder / "params.yaml").write_text(re.sub(r"model: {config: tiny_fpn.*}", f"model: {model}", params))
        return {job.fingerprint for job in build(read(), "tiny").of_kinds("train")}

    return of


@pytest.mark.slow
def test_the_contract_holds_the_function_its_file_and_what_that_imports(folder, contracts):
    (folder / "layers.py").write_text("WIDTH = 8\n")
    (folder / "net.py").write_text("from layers import WIDTH\n")
    seen = [contracts("{factory: 'net.py:build'}")]
    seen.append(contracts("{factory: 'net.py:other'}"))
    (folder / "layers.py").write_text("WIDTH = 16\n")
    seen.append(contracts("{factory: 'net.py:build'}"))
    (folder / "net.py").write_text("from layers import WIDTH\nDEPTH = 1\n")
    seen.append(contracts("{factory: 'net.py:build'}"))
    (folder / "net.py").write_text("from layers import WIDTH\nDEPTH = 1  # a comment\n")
    assert contracts("{factory: 'net.py:build'}") == seen[-1]
    assert len(set.union(*seen)) == 2 * len(seen)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{factory: ''}", "as in `factory: my_net.py:build`"),
        ("{config: tiny_fpn, factory: 'net.py:build'}", "exclude each other"),
        ("{factory: net.py}", "as in `factory: my_net.py:build`"),
        ("{factory: 'net.py:'}", "as in `factory: my_net.py:build`"),
        ("{config: 'net.py:build'}", "named by `factory:`"),
        ("{factroy: 'net.py:build'}", "did you mean 'factory'"),
        ("{factory: 'absent.py:build'}", r"no file absent.py[\s\S]*a function build"),
    ],
)
def test_a_misspelt_model_is_refused_before_anything_runs(contracts, model, message):
    with pytest.raises(UserError, match=message):
        contracts(model)


def test_modules_of_a_subfolder_are_found_by_relative_imports(folder, contracts):
    nets = folder / "nets"
    nets.mkdir()
    (nets / "__init__.py").touch()
    (nets / "blocks.py").write_text("A = 1\n")
    (nets / "net.py").write_text("from .blocks import A\n")
    first = contracts("{factory: 'nets/net.py:build'}")
    (nets / "blocks.py").write_text("A = 2\n")
    assert first.isdisjoint(contracts("{factory: 'nets/net.py:build'}"))


def test_a_network_is_drawn_from_the_runs_seed(folder):
    (folder / "net.py").write_text(TIED)
    weights = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        weights.append(build_segmentor("net.py:build", False, 64).network.enter.weight)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
