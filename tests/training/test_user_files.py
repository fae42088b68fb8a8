"""Contracts of a user's files: what counts, and the errors of files that can't be read."""

from __future__ import annotations

import re

import pytest

from pipeline_src.errors import UserError
from pipeline_src.params.load import read
from pipeline_src.pipeline import fingerprint
from pipeline_src.pipeline.jobs import build
from pipeline_src.python_source import ROOT
from pipeline_src.training.models.source import own_weights

CONFIG = "model = dict(type='EncoderDecoder', decode_head=dict(type='FCNHead'))\n"


@pytest.fixture
def of(tmp_path, monkeypatch):
    """The contract of the baseline's training in `tiny`, with the given block of `model:` and method's code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    params = (ROOT.parent / "params.yaml").read_text()

    def contract_of(model: str = "{config: tiny_fpn, pretrained: false}", block: str = "{}") -> str:
        fingerprint.forget_code()
        text = re.sub(r"model: {config: tiny_fpn.*}", f"model: {model}", params)
        (tmp_path / "params.yaml").write_text(text.replace("  baseline: {}", f"  baseline: {block}"))
        return build(read(), "tiny").job("train/baseline/seed0").fingerprint

    return contract_of


@pytest.mark.slow
def test_own_weights_count_where_they_are_loaded(of, tmp_path):
    code = "init_cfg = dict(type='Pretrained', checkpoint='mine.pth')\n"
    (tmp_path / "net.py").write_text(CONFIG + code)
    seen = []
    for weights in (b"one", b"other"):
        (tmp_path / "mine.pth").write_bytes(weights)
        seen.append((of("{config: net.py, pretrained: true}"), of("{config: net.py, pretrained: false}")))
    assert own_weights("net.py")[0].name == "mine.pth"
    assert seen[0][0] != seen[1][0] and seen[0][1] == seen[1][1]


@pytest.mark.slow
def test_files_that_a_method_reads_count_by_their_content(of, tmp_path):
    code = "from pipeline_src.training.method import Method\n\n\nclass Mine(Method):\n    pass\n"
    (tmp_path / "mine.py").write_text(code)
    seen = []
    for table, other in (("one", "a"), ("two", "a"), ("one", "b")):
        (tmp_path / "table.csv").write_text(table)
        (tmp_path / "other.csv").write_text(other)
        seen.append((of(block="{file: mine.py, files: [table.csv]}"), of(block="{file: mine.py}")))
    assert seen[0][0] != seen[1][0] and seen[0] == seen[2] and seen[0][1] == seen[1][1]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_bases_of_configs_of_every_kind_are_followed(of, tmp_path, suffix):
    (tmp_path / f"net.{suffix}").write_text('{"_base_": ["base.py"]}\n')
    (tmp_path / "base.py").write_text(CONFIG)
    first = of(f"{{config: net.{suffix}}}")
    (tmp_path / "base.py").write_text(CONFIG.replace("FCN", "PSP"))
    assert of(f"{{config: net.{suffix}}}") != first


@pytest.mark.parametrize(
    ("files", "model", "message"),
    [
        ({"net.py": "a = 1\nb = = 2\n"}, "{config: net.py}", r"model.config: net.py, line 2[\s\S]*invalid syntax"),
        ({"net.py": "a = 1\nb = = 2\n"}, "{factory: 'net.py:build'}", r"model.factory: net.py, line 2"),
        ({"net.py": b"a = '\xe9'\n"}, "{config: net.py}", r"model.config: net.py[\s\S]*utf-8"),
        ({"net.py": "_base_ = 'base.py'"}, "{config: net.py}", "model.config: there is no file base.py"),
        ({"net.yaml": "a: [1"}, "{config: net.yaml}", "model.config: net.yaml can't be read"),
        ({"net.py": "import aid", "aid.py": "\nb = = 2"}, "{factory: 'net.py:build'}", r"aid.py, line 2[\s\S]*fix it"),
        ({"pack/__init__.py": "1 / 0", "pack/net.py": ""}, "{factory: 'pack.net:build'}", r"package of pack.net"),
    ],
)
def test_a_file_that_can_not_be_read_is_named_with_key_and_line(of, tmp_path, files, model, message):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message):
        of(model)


@pytest.mark.slow
def test_home_is_expanded_in_every_path(of, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    code = "from pipeline_src.training.method import Method\n\n\nclass Mine(Method):\n    pass\n"
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "net.py").write_text("")
    assert of("{factory: '~/net.py:build'}")
    assert of(block="{file: ~/mine.py}") == of(block="{file: mine.py}")
