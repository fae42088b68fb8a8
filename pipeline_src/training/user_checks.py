"""What a user's files do without a word to the program: callbacks that nothing calls, inputs that no contract holds."""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FunctionType

from pipeline_src.errors import UserError
from pipeline_src.python_source import PACKAGE, ROOT, syntax_tree
from pipeline_src.training.method import Block

NEAR = 0.65  # difflib's ratio from which a name is taken for a misspelt callback: `target` has 0.92, `describe` 0.53
IMPORTS = {"__import__", "import_module", "run_module"}
READS = {"open", "read_text", "read_bytes", "exec", "eval", "run_path", "spec_from_file_location", "SourceFileLoader"}
ENVIRONMENT = {"os.environ", "os.getenv"}


def check_callbacks(kind: type[Block]) -> None:
    """UserError where a user's class has a method that is named much like a callback and that nothing calls: the
    baseline would be trained under the user's name."""
    callbacks = _callbacks(kind)
    for file, owner, name in _uncalled(kind):
        if near := difflib.get_close_matches(name.lower(), callbacks, n=1, cutoff=NEAR):
            raise UserError(
                f"methods: {file.name}: {owner}.{name}() is not a callback, and nothing calls it",
                found=name,
                expected=", ".join(sorted(callbacks)),
                do=f"did you mean {near[0]!r}? Begin the name with _ if it is meant as it is",
            )


def notes(kind: type[Block], files: Collection[Path], declared: Collection[Path]) -> list[str]:
    """What to tell the user of a method and of the files of a run: methods that nothing calls, and what the files read
    past the contract.

    Args:
        files: code of the run; the package's own is passed over.
        declared: files whose content is in the contract.
    """
    uncalled = [f"{file.name}: nothing calls {owner}.{name}()" for file, owner, name in _uncalled(kind)]
    own = [file for file in files if file.suffix == ".py" and ROOT not in file.absolute().parents]
    return uncalled + [line for file in own for line in hidden_inputs(file, declared)]


def hidden_inputs(file: Path, declared: Collection[Path] = ()) -> list[str]:
    """Lines of a Python file that read or import something that is not `declared`: a file beside it or in the working
    folder, a name that is made when the program runs, an environment variable."""
    folders = (file.absolute().parent, Path.cwd())
    resolved = {path.expanduser().resolve() for path in declared}
    lines: dict[int, str] = {}
    for node in ast.walk(syntax_tree(file)):
        text = ast.unparse(node) if isinstance(node, ast.expr) else ""
        if isinstance(node, ast.Attribute) and text in ENVIRONMENT:
            lines.setdefault(node.lineno, f"{text} is in no contract; make it a parameter of the method")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if set(_named(node.value, folders)) - resolved:
                lines.setdefault(node.lineno, f"{node.value!r} is a file in no contract; list it under `files:`")
        elif isinstance(node, ast.Call) and (why := _unknown(node, folders, resolved)):
            lines.setdefault(node.lineno, f"{text[:60]} {why}")
    return [f"{file.name}, line {number}: {line}" for number, line in sorted(lines.items())]


def _unknown(call: ast.Call, folders: Collection[Path], declared: set[Path]) -> str:
    """What is wrong with a call that reads or imports; empty if nothing is."""
    function = ast.unparse(call.func).rpartition(".")[2]
    if function not in IMPORTS | READS:
        return ""
    if call.args and isinstance(call.args[0], ast.Constant):
        module = str(call.args[0].value).replace(".", "/") if function in IMPORTS else ""
        files = [path for suffix in (".py", "/__init__.py") for path in _named(module + suffix, folders) if module]
        return "imports a file in no contract; list it under `files:`" if set(files) - declared else ""
    return "" if declared else "reads what no contract may hold; list the files under `files:`"


def _named(text: str, folders: Collection[Path]) -> list[Path]:
    """The files that a text names."""
    if not text or "\n" in text or "\0" in text or len(text) > 200:
        return []
    return [path.resolve() for folder in folders if (path := folder / text).is_file()][:1]


def _callbacks(kind: type[Block]) -> set[str]:
    """What the package calls of a class."""
    return {
        name
        for base in kind.mro()
        if base.__module__.startswith(f"{PACKAGE}.")
        for name, value in vars(base).items()
        if isinstance(value, FunctionType | property) and not name.startswith(("_", "model_"))
    }


def _uncalled(kind: type[Block]) -> Iterator[tuple[Path, str, str]]:
    """(file, class, name) of the public methods of a user's class, and of classes of the user's that it derives from,
    that are neither a callback nor named anywhere else in the file; decorated ones are registered somewhere."""
    allowed = _callbacks(kind) | set(dir(Block))
    for base in kind.mro():
        if not issubclass(base, Block) or base.__module__.startswith(f"{PACKAGE}."):
            continue
        file = Path(inspect.getfile(base))
        used, defined = _names(file, base.__name__)
        yield from ((file, base.__name__, name) for name in defined if name not in allowed | used)


def _names(file: Path, owner: str) -> tuple[set[str], list[str]]:
    """The names that are used in a file, and the public methods that a class in it defines without a decorator."""
    nodes = list(ast.walk(syntax_tree(file)))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    used |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    bodies = [node.body for node in nodes if isinstance(node, ast.ClassDef) and node.name == owner]
    defined = [
        each for body in bodies for each in body if isinstance(each, ast.FunctionDef) and not each.decorator_list
    ]
    return used, [each.name for each in defined if not each.name.startswith("_")]
