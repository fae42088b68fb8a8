"""A guide of docs/guides/ followed in a copy of the package, which then runs in a process of its own.

python   is written to the file that its first line names
diff     is applied to the file that its first line names: lines with + are added, @@ separates places
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from project import ROOT, TESTS, call


def follow(page: str, folder: Path) -> None:
    """Make the changes of a page to a copy of the package in `folder`."""
    shutil.copytree(ROOT / "pipeline_src", folder / "pipeline_src")
    text = (ROOT / "docs/guides" / page).read_text(encoding="utf-8")
    for language, name, content in re.findall(r"^```(python|diff)\n# (\S+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        file = folder / name
        file.write_text(content if language == "python" else changed(file.read_text(), content))


def changed(text: str, diff: str) -> str:
    """`text` with the lines of a diff, each place of which must be there once."""
    for place in diff.split("@@\n"):
        before = re.sub(r"^\+.*\n", "", place, flags=re.MULTILINE)
        old, new = (re.sub(r"^[ +]", "", lines, flags=re.MULTILINE) for lines in (before, place))
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def run(folder: Path, code: str) -> None:
    """Run code with the package and the tests' helpers of `folder`."""
    (folder / "check.py").write_text(code)
    call(folder, "python", "check.py", PYTHONPATH=f"{folder}:{TESTS}:{ROOT / 'docs/make'}")
