"""What a fingerprint covers, and what it leaves out."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest
from project import ROOT, edit

from pipeline_src.errors import UserError
from pipeline_src.pipeline import fingerprint, work
from pipeline_src.pipeline.fingerprint import as_json, code_digests, forget_code
from pipeline_src.training.calibrated import calibrated_method
from pipeline_src.training.methods import baseline, slp


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A copy of the package whose files are the code that counts."""
    folder = shutil.copytree(ROOT / "pipeline_src", tmp_path / "pipeline_src")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fingerprint, "ROOT", folder)
    monkeypatch.setattr(fingerprint.inspect, "getfile", lambda function: str(folder / "pipeline/work.py"))
    forget_code()
    yield folder
    forget_code()


KINDS = {
    **{kind: getattr(work, kind) for kind in ("prepare", "store", "train", "evaluate", "analyse")},
    **{kind: getattr(work, kind) for kind in ("tables", "figures", "claims")},
}


def digests() -> dict[str, dict[str, str]]:
    """The code of each kind of job, of a training with the baseline."""
    forget_code()
    methods = {"train": (baseline.Baseline(),)}
    return {kind: code_digests(function, methods.get(kind, ())) for kind, function in KINDS.items()}


def changed(before: dict[str, dict[str, str]]) -> set[str]:
    return {kind for kind, code in digests().items() if code != before[kind]}


SHOWN = {"tables", "figures", "claims"}
# The kinds of jobs that an edit makes run again.
EDITS = [
    ("training/loop.py", '"""One training run', '"""A training run', set()),
    (
        "training/loop.py",
        "from __future__ import annotations\n",
        "# a comment\nfrom __future__ import annotations\n",
        set(),
    ),
    ("pipeline/work.py", '"%s: validation accuracy %.1f %%. Masks may be inverted."', '"%s: %.1f"', set()),
    ("training/models/weights.py", "but the weights can't be loaded", "and no weights are there", set()),
    ("training/method.py", "0: the last weights.", "0: those of the last step.", set()),
    ("logs.py", "  loss ", "  training loss ", set()),
    ("data/store.py", "{self.folder} cannot be read", "{self.folder} is damaged", set()),
    ("errors.py", "most: int = 20", "most: int = 30", set()),
    ("params/schema.py", "ge=32", "ge=31", set()),
    ("training/methods/slp.py", "\n\n\nclass", "\n\nMORE = 1\n\n\nclass", set()),
    ("training/augment.py", "cv2.INTER_LINEAR", "cv2.INTER_NEAREST", {"train", "evaluate"}),
    ("metrics/estimators.py", "\n\n\ndef", "\n\nMORE = 1\n\n\ndef", {"analyse", *SHOWN}),
    ("tables/write.py", "\n\n\ndef", "\n\nMORE = 1\n\n\ndef", {"tables"}),
    ("pipeline/work.py", 'parameters["size"]', '2 * parameters["size"]', {"store"}),
    ("pipeline/work.py", "facts.seeds[0]", "facts.seeds[-1]", {"figures"}),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "kinds"), EDITS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_edit_of_the_package_concerns_these_jobs(package, file, old, new, kinds):
    before = digests()
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new, 1))
    assert changed(before) == kinds


def test_training_and_evaluation_reach_no_metric_and_nothing_that_is_shown():
    for function in (work.train, work.evaluate):
        packages = {name.split("/")[1] for name in code_digests(function, ()) if name.startswith("pipeline_src/")}
        assert "training" in packages and "counting" in packages
        assert not packages & {"metrics", "analysis", "tables", "figures", "claims", "report", "cli", "publishing"}


def test_the_class_of_a_method_counts_and_no_other_method():
    first, second = (code_digests(work.train, (method(),)) for method in (baseline.Baseline, slp.SLP))
    assert set(first) ^ set(second) == {f"pipeline_src/training/methods/{name}.py" for name in ("baseline", "slp")}


def test_digests_are_kept_between_processes_and_renewed(package):
    before = digests()
    assert fingerprint.CACHE.is_file()
    fingerprint._cache.records = None  # as in another process
    assert digests() == before
    fingerprint.CACHE.write_text("[damaged")
    fingerprint._cache.records = None
    assert digests() == before


@pytest.fixture
def own(tmp_path) -> Path:
    """A user's file that imports one beside it."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "mine.py").write_text(
        "import helper\nfrom parts import layer\nfrom pipeline_src.training import pixels\n"
    )
    for name in ("helper.py", "parts/__init__.py", "parts/layer.py", "other.py"):
        (tmp_path / name).write_text("VALUE = 1\n")
    return tmp_path


def outside(job, folder) -> None:
    """A job that is not part of the package."""


def own_code(folder: Path) -> dict[str, str]:
    forget_code()
    return code_digests(outside, (), files=(folder / "mine.py",))


@pytest.mark.parametrize(
    ("file", "text", "counts"),
    [
        ("helper.py", "VALUE = 2\n", True),
        ("parts/layer.py", "VALUE = 2\n", True),
        ("other.py", "VALUE = 2\n", False),
        ("helper.py", "# as before\nVALUE = 1\n", False),
    ],
)
def test_a_users_file_counts_with_what_it_imports_from_its_folder(own, file, text, counts):
    before = own_code(own)
    assert "pipeline_src/training/pixels.py" in before
    (own / file).write_text(text)
    assert (own_code(own) != before) == counts


def test_a_users_folder_may_move(own, tmp_path):
    before = own_code(own)
    moved = shutil.copytree(own, tmp_path / "elsewhere/here")
    assert own_code(moved) == before


def test_a_users_file_that_is_no_python_is_named(own):
    edit(own / "helper.py", "VALUE = 1", "VALUE = ")
    with pytest.raises(UserError, match=r"helper\.py, line 1"):
        own_code(own)


class Color(Enum):
    RED = "red"


@dataclass
class Point:
    y: int
    x: int


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1, 2), {"x": 2, "y": 1}),
        ({1: (True, None, 0.5)}, {"1": [True, None, 0.5]}),
        ({"b", "a"}, ["a", "b"]),
        (Path("a/b"), "a/b"),
        (Color.RED, "red"),
        (slp.SLP(alpha=0.1), {"alpha": 0.1, "beta": 1.0, "noise": 0.0}),
    ],
)
def test_parameters_in_jsons_types(value, expected):
    found = as_json(value)
    assert found == expected or {key: found[key] for key in expected} == expected


def test_methods_with_equal_parameters_differ():
    names = ("temperature", "platt", "beta", "isotonic")
    assert len({str(as_json(calibrated_method(name)())) for name in names}) == len(names)


def test_a_parameter_without_a_stable_text_is_refused():
    with pytest.raises(UserError, match="object"):
        as_json({"a": object()})
