"""`python -m pipeline_src data`: which sets there are, whether they are in order, and the entry of a new one."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from pipeline_src.data import known
from pipeline_src.data.catalog import find
from pipeline_src.data.check import check as check_set
from pipeline_src.data.check import here
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.jobs import UNPACKED
from pipeline_src.params.load import FILE, downloads, read

app = typer.Typer(help="Data sets: which are known and here, whether they are in order, and how to add one.")


@app.command("list")
def list_sets():
    """All data sets that are known: what for, how many images, whether they are here, terms, where to get them."""
    params = read()
    root = downloads(params)
    table = Table(title=f"Data sets; those here lie in {root}")
    for heading in ("set", "task", "roles", "images", "here", "terms, and where to get it"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("set", "task"))
    for name, entry in known.load(params.datasets).items():
        key = here(entry, root)
        source = entry.sources[key] if key else next(iter(entry.sources.values()))
        count = f"{source.count:,}" if source.count else "?"
        get = next((source.get for source in entry.sources.values() if source.get), "")
        table.add_row(
            name, entry.task, ", ".join(entry.roles), count, source.label if key else "", f"{entry.terms} {get}"
        )
    Console().print(table)


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="Data sets [default: all that are here]")] = None,
):
    """Read every file: pairs, counts, sizes, values of masks, name lists, sha256. Exit code 1 on a fault."""
    params = read()
    root, entries, console = downloads(params), known.load(params.datasets), Console(soft_wrap=True)
    made = {name for name, entry in entries.items() if any(source.generator for source in entry.sources.values())}
    chosen = names or [name for name, entry in entries.items() if name not in made and here(entry, root)]
    if not chosen:
        console.print(f"No data set is here: {root} holds none that is known.")
    faults = 0
    for name in chosen:
        found = check_set(find(entries, name), root, UNPACKED)
        faults += len(found.problems)
        splits = ", ".join(f"{split} {count:,}" for split, count in found.splits.items())
        verdict = f"{len(found.problems):,} problems" if found.problems else "in order"
        console.print(f"{name} ({found.source}): {verdict}; {found.samples:,} samples; {splits}", highlight=False)
        for text in found.problems:
            console.print(f"  {name}: {text}", style="red", markup=False, highlight=False)
        for text in found.notes:
            console.print(f"  {text}", markup=False, highlight=False)
    if faults:
        raise typer.Exit(1)


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A folder, or a zip or tar archive", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Name of the set [default: that of the path]")] = None,
    masks: Annotated[str | None, typer.Option(help="Folder of the masks, where several could be meant")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write some pairs as a PNG picture to this file")] = None,
    write: Annotated[bool, typer.Option("--write", help=f"Put the entry under `datasets:` of {FILE}")] = False,
):
    """Find out what a folder or archive holds and write its entry."""
    from PIL import Image

    from pipeline_src.data.detect import detect
    from pipeline_src.data.thumbnails import contact_sheet, in_blocks

    params = read()
    name = name or path.name.split(".")[0]
    if not path.exists():
        raise UserError(f"{path} does not exist", expected="a folder, or a zip or tar archive")
    console = Console()
    with _opened(path) as root:
        beside = [] if path.is_dir() else [*path.parent.glob("*.txt"), *_splits(path, downloads(params))]
        found = detect(root, beside, name, masks)
        pairs = [(root / image, root / mask if mask else None) for _, image, mask in found.pairs]
        if not pairs:
            raise UserError(f"no image of {path} has a mask of its name", found=f"{found.images} and {found.masks}")
        picture = contact_sheet(pairs)
    entry = _entry(path, root, found, downloads(params))
    known.load({**params.datasets, name: entry})  # it would be refused now rather than later
    console.print(f"{path}: {len(pairs):,} {'pairs' if found.masks else 'images, no masks'}", highlight=False)
    if found.classes:
        console.print(
            f"Masks of {found.classes} ids: give `classes` their names, and name one that is void by `void:`."
        )
    if found.lonely:
        console.print(f"{found.lonely:,} images or masks have no partner: `data check {name}` lists them.")
    if found.others:
        console.print(f"Other folders of masks: {', '.join(found.others)}. To take one: --masks {found.others[0]}")
    if sheet:
        Image.fromarray(picture).save(sheet, "png")
        console.print(f"Pairs in {sheet}")
    elif console.is_terminal:
        console.print(in_blocks(picture, min(console.width, picture.shape[1])))
    block = yaml.safe_dump({name: entry}, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
    if not write:
        console.print(f"Put this under `datasets:` of {FILE}, or call again with --write:\n")
    typer.echo("".join(f"  {line}\n" for line in block.splitlines()))
    if write:
        insert(FILE, name, entry, block)
        console.print(f"Written to {FILE}. Next: python -m pipeline_src data check {name}")


def insert(file: Path, name: str, entry: dict[str, Any], block: str) -> None:
    """Put an entry at the head of `datasets:`; all other lines of the file stay as they are.

    Raises:
        UserError: the name is taken, or the file has no `datasets:` that begins a line and holds {} or lines below it.
    """
    text = file.read_text(encoding="utf-8")
    before = yaml.safe_load(text)
    if name in (before.get("datasets") or {}):
        raise UserError(f"{file} has a data set {name} already", do="choose another --name, or remove the old entry")
    lines = text.splitlines(keepends=True)
    at = next((i for i, line in enumerate(lines) if line.startswith("datasets:")), None)
    new = None
    if at is not None:
        head, hash_, comment = lines[at].partition("#")
        lines[at] = head.replace("{}", "").rstrip() + (f"  {hash_}{comment}" if hash_ else "\n")
        lines.insert(at + 1, "".join(f"  {line}\n" for line in block.splitlines()))
        new = "".join(lines)
    try:
        fits = new and yaml.safe_load(new) == {**before, "datasets": {**(before.get("datasets") or {}), name: entry}}
    except yaml.YAMLError:
        fits = False
    if not fits:
        raise UserError(
            f"the entry cannot be put into {file} by itself",
            expected="a line `datasets: {}`, or `datasets:` with its entries indented by two below it",
            do="put the lines above there yourself",
        )
    write_text(file, new)


@contextmanager
def _opened(path: Path):
    """The folder itself, or what the archive holds, for a while."""
    if path.is_dir():
        yield path
        return
    from pipeline_src.data.unpack import unpack

    with tempfile.TemporaryDirectory() as folder:
        unpack(path, Path(folder))
        yield Path(folder)


def _splits(path: Path, root: Path) -> list[Path]:
    """Name lists in the folder of downloads whose names begin with that of the archive."""
    return sorted((root / "splits").glob(f"{path.name.split('.')[0]}[-_]*.txt"))


def _entry(path: Path, root: Path, found: Any, data_root: Path) -> dict[str, Any]:
    """The set's entry. Where there are no splits, seeded shares stand in."""

    def named(file: Path, *below: str) -> str:
        """A path as `sources.look_up` finds it: by the folder of downloads, or else as it is."""
        for folder in (*(data_root / each for each in below), data_root):
            if file.resolve().is_relative_to(folder.resolve()):
                return file.resolve().relative_to(folder.resolve()).as_posix()
        return file.as_posix()

    entry: dict[str, Any] = {"folder": named(path)} if path.is_dir() else {"archive": named(path, "archives")}
    entry["images"] = found.images
    if not found.masks:
        return {**entry, "ood": True}
    entry["masks"] = found.masks
    if found.foreground is not None:
        entry["foreground"] = found.foreground
    if found.classes:
        entry["classes"] = ["background", *(f"class{i}" for i in range(1, found.classes))]
    splits = {
        split: where if isinstance(where, dict) else named(Path(where), "splits")
        for split, where in found.splits.items()
    }
    return {**entry, "splits": _complete(splits)}


def _complete(splits: dict[str, Any]) -> dict[str, Any]:
    """With train, val and test: what is missing is a seeded share of the others."""
    splits = dict(splits)
    if "train" not in splits:
        rest = "all"
        if "test" not in splits:
            splits["test"] = {"of": "all", "fraction": 0.2, "seed": 0}
        for other in ("test", "val"):
            if other in splits:
                splits[f"not-{other}"] = {"of": rest, "without": other}
                rest = f"not-{other}"
    else:
        rest = "train"
        if "val" not in splits:
            splits["train-all"] = splits.pop("train")
            rest = "train-all"
    if "val" not in splits:
        splits["val"] = {"of": rest, "fraction": 0.1, "seed": 0}
        splits["train"] = {"of": rest, "without": "val"}
    elif "train" not in splits:
        splits["train"] = {"of": rest, "without": "val"}
    return splits
