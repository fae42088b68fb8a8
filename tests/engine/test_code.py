"""The digest of the code that a function can reach: what changes it and what does not."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_src.engine.code import Code

PACKAGE = {
    "__init__.py": "",
    "main.py": """
        import numpy as np
        from pydantic import BaseModel, Field

        from pkg import tools
        from pkg.errors import UserError
        from pkg.tools import scaled

        LIMIT = 3

        class Options(BaseModel):
            rate: float = Field(1.0, description="How fast.")

        def run(x: int, options: Options = None) -> int:
            '''Docs.'''
            from .lazy import late

            if x < 0:
                raise UserError("x is negative", do="give another")
            return np.sum(scaled(x) + tools.shifted(x) + late(x) + LIMIT)  # why

        def other(x):
            return tools.unused(x)
        """,
    "tools.py": """
        def scaled(x):
            return _factor() * x

        def _factor():
            return 2

        def shifted(x):
            return x + 1

        def unused(x):
            return x
        """,
    "lazy.py": """
        from pkg.tools import shifted as moved

        def late(x):
            return moved(x)
        """,
    "errors.py": """
        class UserError(Exception):
            pass
        """,
    "stranger.py": """
        def hello():
            return 1
        """,
}


class Package:
    """A package in a folder, whose files tests change."""

    def __init__(self, folder: Path, files: dict[str, str]):
        self.root = folder / "pkg"
        for name, text in files.items():
            self.write(name, dedent(text))

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def append(self, name: str, text: str) -> None:
        self.write(name, (self.root / name).read_text() + text)

    def digest(self, definition: str = "run", module: str = "pkg.main", **more) -> str:
        return Code(self.root).digest(((module, definition),), **more).whole


@pytest.fixture
def package(tmp_path) -> Package:
    return Package(tmp_path, PACKAGE)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", "'''Docs.'''", "'''Other docs, longer.'''"),
        ("main.py", "  # why", "  # because\n    # of this"),
        ("main.py", "x: int, options: Options = None) -> int", "x, options=None)"),
        ("main.py", '"x is negative", do="give another"', '"x < 0"'),
        ("main.py", "return np.sum(", "return (np.sum)("),
        ("main.py", "import numpy as np", "import numpy"),  # with `np` below replaced too
        ("main.py", "tools.unused(x)", "tools.unused(2 * x)"),
        ("tools.py", "def unused(x):\n    return x", "def unused(x):\n    return 0"),
        ("tools.py", "def shifted", "def new():\n    return 1\n\ndef shifted"),
        ("errors.py", "pass", "code = 2"),
        ("stranger.py", "1", "2"),
        ("lazy.py", "shifted as moved\n", "shifted as moved  # noqa\nfrom typing import Any\n\nKind = Any\n"),
    ],
)
def test_what_changes_nothing(package, file, old, new):
    before = package.digest()
    package.edit(file, old, new)
    if new == "import numpy":
        package.edit(file, "np.", "numpy.")
    assert package.digest() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", "x < 0", "x <= 0"),
        ("main.py", "LIMIT = 3", "LIMIT = 4"),
        ("main.py", "import numpy as np", "import jax.numpy as np"),
        ("main.py", "from .lazy import late", "from .tools import scaled as late"),
        ("main.py", "tools.shifted", "tools.scaled"),
        ("main.py", "scaled(x) + tools", "tools.shifted(x) + tools"),
        ("tools.py", "return 2", "return 3"),
        ("lazy.py", "return moved(x)", "return moved(x) + 1"),
        ("lazy.py", "import shifted as moved", "import scaled as moved"),
        ("tools.py", "def shifted(x)", "def shifted(y)"),
    ],
)
def test_what_changes_the_digest(package, file, old, new):
    before = package.digest()
    package.edit(file, old, new)
    assert package.digest() != before


def test_classes_count_with_their_annotations(package):
    before = package.digest("Options")
    package.edit("main.py", "How fast.", "How quickly.")
    assert package.digest("Options") == before
    package.edit("main.py", "rate: float", "rate: int")
    assert package.digest("Options") != before


def test_what_annotations_of_fields_refer_to_counts(package):
    package.append("main.py", "Rate = float\nclass Typed:\n    rate: Rate\n    def f(self, x: LIMIT): return x\n")
    before = package.digest("Typed")
    package.edit("main.py", "LIMIT = 3", "LIMIT = 4")
    assert package.digest("Typed") == before
    package.edit("main.py", "Rate = float", "Rate = int")
    assert package.digest("Typed") != before


def test_a_module_may_be_renamed_and_moved(package):
    before = package.digest()
    (package.root / "deep").mkdir()
    (package.root / "tools.py").rename(package.root / "deep/helpers.py")
    package.write("deep/__init__.py", "")
    package.edit("main.py", "from pkg import tools\n", "from pkg.deep import helpers\n")
    package.edit("main.py", "from pkg.tools", "from .deep.helpers")
    package.edit("main.py", "tools.", "helpers.")
    package.edit("lazy.py", "pkg.tools", "pkg.deep.helpers")
    assert package.digest() == before


def test_a_definition_may_move(package):
    before = package.digest()
    package.edit("tools.py", "def _factor():\n    return 2\n", "from pkg.stranger import _factor\n")
    package.append("stranger.py", "def _factor():\n    return 2\n")
    assert package.digest() == before


def test_constants_differ_by_type_and_none_is_a_value(tmp_path):
    seen = set()
    for value in ("1", "1.0", "True", "None", "'1'", "b'1'", "[]", "()"):
        seen.add(Package(tmp_path, {"main.py": f"x = {value}\n"}).digest("x"))
    assert len(seen) == 8


@pytest.mark.parametrize(
    ("code", "reaches"),
    [
        ("def run(f): return f(1)", False),  # a parameter
        ("def run(x):\n    f = x\n    return f", False),  # a local name
        ("def run(x): return [f for f in x]", False),
        ("def run(x): return lambda f: f", False),
        ("def run(x):\n    with x as f: return f", False),
        ("def run(x):\n    match x:\n        case [f]: return f", False),
        ("def run(x): return x.f", False),  # an attribute of something else
        ("def run(x: f) -> f: return x", False),  # type hints
        ("def run(x):\n    y: f = x\n    return y", False),
        ("class run:\n    f: int", False),
        ("def run(x): return f", True),
        ("def run(x=f): return x", True),  # a default is read outside
        ("def run(f=f): return f", True),
        ("@f\ndef run(x): return x", True),
        ("def run(x): return [f for f in f]", True),  # what it runs over is read outside
        ("def run(x): return {k: f(k) for k in x}", True),
        ("def run(x):\n    def inner(): return f\n    return inner", True),
        ("def run(x):\n    global f\n    f += 1", False),  # only written
        ("class run:\n    def f(self): return f()", True),  # a method does not see its class's names
        ("class run(f): pass", True),
        ("class run:\n    x: f", True),
        ("class run:\n    f = f", True),
        ("run = f(1)", True),
        ("run = [1]\nrun += [f]", True),
        ("try:\n    run = 1\nexcept Exception:\n    run = f", True),
    ],
)
@pytest.mark.parametrize("imported", ["from pkg.a import f", "def f(x):\n    return 1"])
def test_scopes(tmp_path, code, reaches, imported):
    seen = []
    for value in (1, 2):
        here = imported.replace("1", str(value))
        files = {"a.py": f"def f(x):\n    return {value}\n", "main.py": f"{here}\n{code}\n"}
        seen.append(Package(tmp_path, files).digest())
    assert (seen[0] != seen[1]) == reaches


@pytest.mark.parametrize(
    ("main", "reaches"),
    [
        ("import pkg.sub.a\ndef run(): return pkg.sub.a.f()", "f"),
        ("import pkg.sub.a as m\ndef run(): return m.f()", "f"),
        ("from pkg import sub\ndef run(): return sub.a.f()", "f"),
        ("from pkg.sub import a\ndef run(): return a.f()", "f"),
        ("from pkg.sub.a import *\ndef run(): return f()", "f"),
        ("from pkg.sub.both import *\ndef run(): return f()", "f"),  # handed on
        ("from pkg.sub.both import f as h\ndef run(): return h()", "f"),
        ("def run():\n    from .sub import a as m\n    return m.f()", "f"),
        ("def run():\n    import pkg.sub.a\n    return pkg.sub.a.f()", "f"),
        ("from pkg.sub import a\ndef run(): return getattr(a, 'f')()", "fg"),  # the module as an object
        ("from pkg.sub import a\ndef run(): return a.__dict__", "fg"),
        ("from pkg.sub import a\ndef run(): return a.f.g", "f"),
        ("from pkg import sub\ndef run(): return sub.start", "s"),
        ("from pkg.sub import a  # noqa\ndef run(): return 1", ""),
    ],
)
def test_ways_to_import(tmp_path, main, reaches):
    files = {
        "__init__.py": "",
        "sub/__init__.py": "from pkg.sub import a\nstart = 1\n",
        "sub/a.py": "def f(): return 1\ndef g(): return 1\n",
        "sub/both.py": "from .a import *\n",
        "main.py": main,
    }
    edits = {
        "f": ("sub/a.py", "f(): return 1"),
        "g": ("sub/a.py", "g(): return 1"),
        "s": ("sub/__init__.py", "start = 1"),
    }
    before = Package(tmp_path, files).digest()
    for name, (file, old) in edits.items():
        changed = Package(tmp_path, files | {file: files[file].replace(old, old.replace("1", "2"))})
        assert (changed.digest() != before) == (name in reaches), name


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("REGISTRY['b'] = 2", True),
        ("register(2)", True),
        ("if X: register(2)", True),
        ("for i in X: register(i)", True),
        ("@register\ndef b(): return 2", True),
        ("@register.module()\nclass B: pass", True),
        ("import json  # noqa: F401", True),  # for what it does, as nothing uses it
        ("Y = 2", False),
        ("def b(): return 2", False),
        ("@dataclass\nclass B: pass", False),
        ("if TYPE_CHECKING:\n    register(2)", False),
        ("if typing.TYPE_CHECKING:\n    register(2)", False),
        ("if __name__ == '__main__':\n    register(2)", False),
        ("import json\ndef b(): return json", False),
        ("'a text'", False),
    ],
)
@pytest.mark.parametrize("place", ["b.py", "sub/__init__.py", "sub/c.py", "lazy.py"])
def test_what_imports_do(tmp_path, code, counts, place):
    head = "import typing\nfrom typing import TYPE_CHECKING\nfrom dataclasses import dataclass\n"
    head += "from pkg.d import REGISTRY, register\nX = [1]\nT = typing, dataclass, TYPE_CHECKING\n"
    files = dict.fromkeys(("__init__.py", "b.py", "sub/__init__.py", "sub/c.py", "lazy.py"), "")
    files |= {"d.py": "REGISTRY = {}\ndef register(x): pass\n", "b.py": "import pkg.sub.c\nU = pkg\n"}
    files |= {"main.py": "from pkg.b import U\ndef run():\n    import pkg.lazy\ndef other():\n    import pkg.more\n"}
    files |= {place: files[place] + head, "more.py": "print('not imported')\n"}
    before = Package(tmp_path, files).digest()
    package = Package(tmp_path, files | {place: files[place] + code + "\n"})
    assert (package.digest() != before) == counts
    package.write("more.py", "print('still not imported')\n")
    assert (package.digest() != before) == counts


def test_a_file_of_the_users_counts_whole_with_what_it_imports_from_beside_itself(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    user = tmp_path / "own"
    texts = {
        "mine.py": "import numpy\nfrom pkg.tools import scaled\nimport helper\nfrom parts import piece\nA = scaled\n",
        "helper.py": "B = 1\n",
        "parts/__init__.py": "",
        "parts/piece.py": "from . import other\n",
        "parts/other.py": "C = 1\n",
        "stranger.py": "D = 1\n",
    }
    for name, text in texts.items():
        (user / name).parent.mkdir(parents=True, exist_ok=True)
        (user / name).write_text(text)

    def digest() -> str:
        return package.digest(files=(Path("own/mine.py"),))

    before = digest()
    for name, text in texts.items():
        (user / name).write_text(text + "Z = 2\n")
        assert (digest() != before) == (name != "stranger.py"), name
        (user / name).write_text(text)
    assert digest() == before
    package.edit("tools.py", "return 2", "return 3")
    assert digest() != before
    for file in [*user.rglob("*.py")]:
        file.rename(file) if file.name != "mine.py" else file.rename(user / "renamed.py")
    assert package.digest(files=(user / "renamed.py",)) == digest_of_renamed(package, user)


def digest_of_renamed(package: Package, user: Path) -> str:
    (user / "renamed.py").rename(user / "mine.py")
    return package.digest(files=(user / "mine.py",))


def test_contents_of_files_that_change_places_count(package, tmp_path):
    (tmp_path / "net.py").write_text("import one, two\n")
    seen = set()
    for one, two in (("A = 1\n", "A = 2\n"), ("A = 2\n", "A = 1\n")):
        (tmp_path / "one.py").write_text(one)
        (tmp_path / "two.py").write_text(two)
        seen.add(package.digest(files=(tmp_path / "net.py",)))
    assert len(seen) == 2


def test_files_that_are_no_code_count_by_content(package, tmp_path):
    seen = []
    for text in ("a: 1", "a: 2"):
        (tmp_path / "net.yaml").write_text(text)
        seen.append(package.digest(files=(tmp_path / "net.yaml",)))
    assert seen[0] != seen[1]


def test_whole_modules_count_and_their_dotted_names_in_texts_do_not(package):
    package.append("main.py", "def dynamic(): return importlib.import_module('pkg.stranger')\n")
    before = package.digest("dynamic"), package.digest("dynamic", modules=("pkg.stranger",))
    package.edit("stranger.py", "1", "2")
    assert package.digest("dynamic") == before[0]
    assert package.digest("dynamic", modules=("pkg.stranger",)) != before[1]
    package.edit("stranger.py", "2", "1")
    (package.root / "stranger.py").rename(package.root / "friend.py")
    package.edit("main.py", "pkg.stranger", "pkg.friend")
    assert (package.digest("dynamic"), package.digest("dynamic", modules=("pkg.friend",))) == before


def test_explanations_name_the_files_with_reached_definitions(package):
    code = Code(package.root)
    before = code.digest((("pkg.main", "run"),)).files
    assert set(before) == {"pkg/main.py", "pkg/tools.py", "pkg/lazy.py"}
    package.edit("tools.py", "return 2", "return 3")
    after = Code(package.root).digest((("pkg.main", "run"),)).files
    assert {name for name in before if before[name] != after[name]} == {"pkg/tools.py"}


# Properties, on random packages


@st.composite
def programs(draw):
    """References of each of some definitions to others (in circles too), and two ways to spread them over modules."""
    count = draw(st.integers(2, 7))
    numbers = st.integers(0, count - 1)
    references = [draw(st.lists(numbers, max_size=3)) for _ in range(count)]
    layouts = [
        {
            "module": [draw(st.integers(0, 3)) for _ in range(count)],
            "names": draw(st.permutations(["alpha", "beta", "sub.gamma", "sub.delta"])),
            "order": draw(st.permutations(range(count))),
            "ways": [[draw(st.integers(0, 3)) for _ in of] for of in references],
        }
        for _ in range(2)
    ]
    return references, layouts, draw(numbers)


def spread(folder: Path, references: list[list[int]], layout: dict, values: list[int]) -> tuple[Package, list[str]]:
    """Write the program; the dotted module of each definition."""
    of = [f"pkg.{layout['names'][module]}" for module in layout["module"]]
    heads = {name: "" for name in of}
    bodies = {name: "" for name in of}
    for i in layout["order"]:
        inner, uses = "", []
        for j, way in zip(references[i], layout["ways"][i], strict=True):
            if of[j] == of[i]:
                uses.append(f"f{j}()")
            elif way == 0:
                heads[of[i]] += f"from {of[j]} import f{j}\n"
                uses.append(f"f{j}()")
            elif way == 1:
                heads[of[i]] += f"import {of[j]}\n"
                uses.append(f"{of[j]}.f{j}()")
            elif way == 2:
                inner += f"    from {of[j]} import f{j} as g{j}\n"
                uses.append(f"g{j}()")
            else:
                parent, _, name = of[j].rpartition(".")
                heads[of[i]] += f"from {parent} import {name} as m{j}\n"
                uses.append(f"m{j}.f{j}()")
        bodies[of[i]] += f"def f{i}():\n{inner}    return [{', '.join([str(values[i]), *uses])}]\n\n"
    files = {"__init__.py": "", "sub/__init__.py": ""}
    files |= {name.removeprefix("pkg.").replace(".", "/") + ".py": heads[name] + bodies[name] for name in bodies}
    return Package(folder, files), of


@settings(max_examples=60, deadline=None)
@given(programs())
def test_the_digest_knows_definitions_and_references_alone(tmp_path_factory, program):
    references, layouts, edited = program
    values = list(range(len(references)))
    seen = []
    for layout in layouts:
        package, of = spread(tmp_path_factory.mktemp("package"), references, layout, values)
        seen.append(package.digest("f0", of[0]))
    assert seen[0] == seen[1]
    changed = [100 if i == edited else value for i, value in enumerate(values)]
    package, of = spread(tmp_path_factory.mktemp("package"), references, layouts[0], changed)
    reached, queue = set(), [0]
    while queue:
        if (i := queue.pop()) not in reached:
            reached.add(i)
            queue += references[i]
    assert (package.digest("f0", of[0]) != seen[0]) == (edited in reached)


# This package


def test_training_reaches_neither_figures_nor_other_methods():
    """A new plot style or a new method must retrain nothing."""
    definitions = (("pipeline_src.training.loop", "train"), ("pipeline_src.training.methods.aslp_mc", "ASLPMC"))
    files = Code().digest(definitions).files
    assert "pipeline_src/training/aslp.py" in files
    assert not {file.split("/")[1] for file in files} & {"figures", "tables", "report", "claims", "analysis"}
    assert {file for file in files if "/methods/" in file} == {"pipeline_src/training/methods/aslp_mc.py"}


# Values and what is neutral

VALUES = {
    "__init__.py": "",
    "main.py": """
        from pkg.files import write
        from pkg.validation import ALL, Part

        def run(part: Part) -> None:
            write(part.name + ALL)
        """,
    "validation.py": """
        from pydantic import BaseModel, Field, field_validator

        ALL = "all"

        class Part(BaseModel):
            size: int = Field(32, ge=32)

            @field_validator("size")
            @classmethod
            def _even(cls, size):
                return size

            @property
            def name(self):
                return str(self.size)
        """,
    "files.py": """
        import os

        def flush(file):
            os.fsync(file)

        def write(text):
            flush(3)
            print(text)
        """,
}


@pytest.mark.parametrize(
    ("file", "old", "new", "counts"),
    [
        ("validation.py", "Field(32, ge=32)", "Field(64, ge=64)", False),
        ("validation.py", "return size", "return 2 * size", False),
        ("validation.py", "str(self.size)", "str(2 * self.size)", True),
        ("validation.py", '"all"', '"every"', True),
        ("files.py", "os.fsync(file)", "pass", False),
        ("files.py", "print(text)", "print(text[::-1])", True),
    ],
)
def test_of_values_that_are_hashed_the_methods_count(tmp_path, file, old, new, counts):
    package = Package(tmp_path, VALUES)

    def code() -> str:
        roots = (("pkg.main", "run"), ("pkg.validation", "Part"))
        return Code(package.root).digest(roots).whole

    before = code()
    text = (package.root / file).read_text()
    assert text.count(old) == 1
    package.write(file, text.replace(old, new))
    assert (code() != before) is counts
