"""params.yaml: reading it, and merging an experiment with the defaults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pipeline_src.errors import UserError, did_you_mean, listed
from pipeline_src.params.misread import misread
from pipeline_src.params.schema import Experiment, Params
from pipeline_src.validation import validate

FILE = Path("params.yaml")
MAX_NODES = 1_000_000
EXCLUSIVE = {"config": "factory", "factory": "config"}  # a model is named by one of them


def params_file() -> Path:
    """The file of parameters: ASLP_PARAMS if it is set, else params.yaml."""
    return Path(os.environ.get("ASLP_PARAMS") or FILE)


def read(file: Path | None = None) -> Params:
    """The values of a file of parameters (default: `params_file()`).

    Raises:
        UserError: names the key, the value found and the values allowed.
    """
    file = file or params_file()
    if not file.is_file():
        raise UserError(
            f"{file} {'is a folder' if file.is_dir() else 'does not exist'}",
            found=f"the folder {Path.cwd()}",
            expected="a project's file of parameters",
            do="run the command in the project's top folder, name the file by --params, "
            "or make a project: dense-calibration init DIR",
        )
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise UserError(
            f"{file} must be a mapping of keys to values",
            found=type(content).__name__,
            expected="keys and values as in docs/params.md",
        )
    return validate(Params, content, str(file))


def read_yaml(file: Path) -> Any:
    """The content of a YAML file.

    Raises:
        UserError: the file is not valid YAML, or has duplicate keys, of which YAML would silently take the last, or
            values that are not what they look like.
    """
    try:
        loader = Loader(file.read_text(encoding="utf-8"))
        if (root := loader.get_single_node()) is None:
            return None
        if _written_out(root, {}) > MAX_NODES:
            raise ValueError(f"its aliases (*name) stand for more than {MAX_NODES:,} values, or for themselves")
        duplicates = dict.fromkeys(_duplicate_keys(root, "", set()))  # before merge keys (<<) are written out
        content = loader.construct_document(root)
    except OSError as error:
        raise UserError(f"{file} cannot be read", found=error, expected="a text file", do="check it") from None
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        place = error.start if isinstance(error, UnicodeDecodeError) else error.position
        raise UserError(
            f"{file} is not text in UTF-8",
            found=f"line {1 + file.read_bytes()[:place].count(10)}: {' '.join(str(error).split())}",
            expected="keys and values as in docs/params.md, in UTF-8",
            do="save the file as UTF-8, as plain text",
        ) from None
    except Exception as error:  # yaml's own, and what it lets through: of days that do not exist, or too deep a nesting
        raise UserError(
            f"{file} is not valid YAML",
            found=" ".join(str(error).split()) or type(error).__name__,
            expected="keys and values as in docs/params.md",
            do="fix the line that the message names",
        ) from None
    if duplicates:
        raise UserError(f"{file} has duplicate keys:{listed(duplicates)}", do="merge the two blocks into one")
    if other := misread(root):
        raise UserError(
            f"{file} has values that are not what they look like:{listed(other)}",
            expected="numbers without a leading 0 or colons, and names that look like numbers or dates in quotes",
            do="write them as each line says",
        )
    return content


# The C loader is ten times faster, and Snakemake reads params.yaml for every job.
Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _written_out(node: yaml.Node, sizes: dict[int, float]) -> float:
    """How many values a node holds with its aliases written out; infinite where it holds itself."""
    if id(node) not in sizes:
        sizes[id(node)] = float("inf")
        children = [each for pair in node.value for each in pair] if isinstance(node, yaml.MappingNode) else node.value
        own = [] if isinstance(node, yaml.ScalarNode) else children
        sizes[id(node)] = 1 + sum(_written_out(child, sizes) for child in own)
    return sizes[id(node)]


def _duplicate_keys(node: yaml.Node, path: str, seen: set[int]) -> Iterator[str]:
    """Keys that a mapping below `node` has more than once, with their lines."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _duplicate_keys(child, path, seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = f"{path}{key.value if isinstance(key, yaml.ScalarNode) else key.tag}", key.start_mark.line + 1
            if name in lines:
                yield f"{name}: lines {lines[name]} and {line}"
            lines[name] = line
            yield from _duplicate_keys(value, f"{name}.", seen)


def resolve(params: Params, name: str | None = None) -> tuple[str, Experiment]:
    """The name and the values of experiment `name` (default: the one that `experiment:` picks), with sweeps written out
    as the methods that they stand for (`params.blocks()` has their parameters)."""
    name = name or params.experiment
    if name not in params.experiments:
        raise UserError(
            f"there is no experiment {name!r}",
            expected=", ".join(params.experiments),
            do=did_you_mean(name, params.experiments),
        )
    merged = merge(params.defaults, params.experiments[name] or {})
    experiment = validate(Experiment, merged, f"experiments.{name} (with defaults)")
    methods: list[str] = []
    for method in experiment.methods:
        if method in params.sweeps:
            methods += params.sweeps[method].blocks(method)
        elif method in params.blocks():
            methods.append(method)
        else:
            blocks = [*params.methods, *params.sweeps]
            raise UserError(
                f"experiments.{name}.methods: there is no block {method!r} under `methods:` or `sweeps:`",
                expected=", ".join(blocks),
                do=did_you_mean(method, blocks),
            )
    return name, experiment.model_copy(update={"methods": list(dict.fromkeys(methods))})


def downloads(params: Params) -> Path:
    """The folder of downloaded archives: ASLP_DOWNLOADS if it is set, else `data_root`."""
    return Path(os.environ.get("ASLP_DOWNLOADS") or params.data_root).expanduser()


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`: mappings key by key, everything else as a whole. Of keys that exclude each other the
    one above stays."""
    result = {key: value for key, value in below.items() if key not in EXCLUSIVE or above.get(EXCLUSIVE[key]) is None}
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        result[key] = merge(below[key], value) if both else value
    return result
