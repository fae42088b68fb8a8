"""Any network that a function builds; a wrong one is refused before it trains."""

from __future__ import annotations

import pytest
from networks import trains_and_comes_back

from pipeline_src.errors import UserError
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
    ("code", "shown"),
    [
        ("def biuld(outputs): pass", "'biuld'"),
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; sys.exit()", "SystemExit"),
        ("def build(outputs): return outputs / 0", "ZeroDivisionError"),
        ("def build(outputs): return 'a'", "str"),
        ("build = lambda outputs: nn.Conv2d(3, 2, 1)", r"\(1, 2, 64, 64\)"),
        ("build = lambda outputs: nn.Flatten()", r"\(1, 12288\)"),
        (
            "class A(nn.Module):\n    def forward(self, x): return {'out': x, 'aux': x}\nbuild = lambda outputs: A()",
            "out, aux",
        ),
        ("build = lambda outputs: nn.Conv2d(4, 1, 1)", "64 x 64"),
    ],
)
def test_a_wrong_network_is_refused(folder, code, shown):
    (folder / "net.py").write_text("from torch import nn\n" + code)
    with pytest.raises(UserError, match=rf"model\.factory: [\s\S]*{shown}"):
        build_segmentor("net.py:build", False, 64)


@pytest.mark.parametrize("factory", ["absent.py:build", "absent_net:build"])
def test_a_missing_file_or_module_is_refused(folder, factory):
    with pytest.raises(UserError, match=rf"model\.factory: [\s\S]*{factory.partition(':')[0]}"):
        build_segmentor(factory, False, 64)


@pytest.mark.parametrize(("end", "warned"), [("nn.Sigmoid()", True), ("nn.Identity()", False)])
def test_probabilities_in_the_place_of_logits_give_a_warning(folder, caplog, end, warned):
    (folder / "net.py").write_text(f"from torch import nn\nbuild = lambda n: nn.Sequential(nn.Conv2d(3, n, 1), {end})")
    build_segmentor("net.py:build", False, 64)
    assert ("net.py:build" in caplog.text) == warned


def test_a_file_imports_what_lies_beside_it(folder):
    (folder / "deep").mkdir()
    (folder / "deep/beside_of_tests.py").write_text("WIDTH = 5\n")
    (folder / "deep/net.py").write_text(
        "from torch import nn\nfrom beside_of_tests import WIDTH\n"
        "build = lambda n: nn.Sequential(nn.Conv2d(3, WIDTH, 1), nn.Conv2d(WIDTH, n, 1))\n"
    )
    assert build_segmentor("deep/net.py:build", False, 64).network[0].out_channels == 5
