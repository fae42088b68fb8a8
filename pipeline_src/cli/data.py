"""`python -m pipeline_src data`: which sets there are, whether they are in order, and the entry of a new one."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline_src.data import catalog, known
from pipeline_src.data.catalog import find
from pipeline_src.data.check import check as check_set
from pipeline_src.data.check import here
from pipeline_src.errors import UserError
from pipeline_src.params.load import FILE, downloads, read
from pipeline_src.steps.prepare import UNPACKED

app = typer.Typer(help="Data sets: which are known and here, whether they are in order, and how to add one.")


def _console() -> Console:
    """Names of files are printed as they are: no [markup], no line broken in the middle of an address."""
    return Console(markup=False, highlight=False, soft_wrap=True)


@app.command("list")
def list_sets():
    """All data sets that are known: what for, where to get them, how many images, which source is here (*), terms."""
    params = read()
    root, console = downloads(params), _console()
    console.print(f"Data sets, and the sources that each can come from; * lies in {root}")
    for name, entry in known.load(params.datasets).items():
        console.print(f"\n{name}: {entry.task}; {', '.join(entry.roles)}", style="bold")
        found = here(entry, root)
        for key, source in entry.sources.items():
            console.print(f"  {'*' if key == found else ' '} {source.offer}")
        if entry.terms:
            console.print(f"    {entry.terms}")


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help=f"Data sets [default: all here, all of {FILE}]")] = None,
):
    """Read every file: pairs, counts, sizes, values of masks, name lists, sha256. Exit code 1 on a fault."""
    params = read()
    root, entries, console = downloads(params), known.load(params.datasets), _console()
    made = {name for name, entry in entries.items() if any(source.generator for source in entry.sources.values())}
    default = [n for n, entry in entries.items() if n not in made and (n in params.datasets or here(entry, root))]
    chosen = [find(entries, name) for name in names or default]
    if not chosen:
        console.print(f"No data set is here: {root} holds none that is known.")
    faults = 0
    for entry in chosen:
        found = check_set(entry, root, UNPACKED)
        faults += len(found.problems)
        splits = ", ".join(f"{split} {count:,}" for split, count in found.splits.items())
        verdict = f"{len(found.problems):,} problems" if found.problems else "in order"
        title = f"{entry.name} ({found.source})" if found.source else entry.name
        console.print(f"{title}: {verdict}; {found.samples:,} samples; {splits}".removesuffix("; "))
        for text in found.problems:
            console.print(f"  {entry.name}: {text}", style="red")
        for text in found.notes:
            console.print(f"  {text}")
    if faults:
        raise typer.Exit(1)


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A folder, or a zip or tar archive", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Name of the set [default: that of the path]")] = None,
    images: Annotated[str | None, typer.Option(help="Folder of the images, where several could be meant")] = None,
    masks: Annotated[str | None, typer.Option(help="Folder of the masks, where several could be meant")] = None,
    ood: Annotated[bool, typer.Option("--ood", help="There is nothing to find in the images: no masks")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write some pairs as a picture to this new .png file")] = None,
    write: Annotated[bool, typer.Option("--write", help=f"Put the entry under `datasets:` of {FILE}")] = False,
):
    """Find out what a folder or archive holds and write its entry."""
    from pipeline_src.data.detection.detect import detect
    from pipeline_src.data.detection.new_entry import block_of, entry_of, insert
    from pipeline_src.data.detection.thumbnails import contact_sheet, in_blocks, save

    params = read()
    root, console = downloads(params), _console()
    if not path.exists():
        raise UserError(f"{path} does not exist", expected="a folder, or a zip or tar archive")
    name = _checked(name or path.name.split(".")[0])
    with _opened(path) as folder:
        beside = [] if path.is_dir() else [*path.parent.glob("*.txt"), *_splits(path, root)]
        found = detect(folder, beside, name, images, masks, ood)
        picture = contact_sheet([(folder / image, folder / mask if mask else None) for _, image, mask in found.pairs])
        entry = entry_of(path, folder, found, root)
    known.load({**params.datasets, name: entry})  # it would be refused now rather than later
    console.print(f"{path}: {len(found.pairs):,} {'pairs' if found.masks else 'images, no masks'}")
    if found.meaning.classes:
        console.print(
            f"Masks of {found.meaning.classes} ids: give `classes` their names, and name one that is void by `void:`."
        )
    if found.lonely:
        console.print(f"{found.lonely:,} images or masks have no partner: `data check {name}` lists them.")
    if found.unreadable:
        console.print(f"{found.unreadable:,} files or more cannot be used: `data check {name}` lists them.")
    if found.others:
        console.print(f"Other folders of masks: {', '.join(found.others)}. To take one: --masks {found.others[0]}")
    for text in found.remarks:
        console.print(text)
    if sheet:
        save(picture, sheet)
        console.print(f"Pairs in {sheet}")
    elif console.is_terminal and picture.size:
        console.print(in_blocks(picture, min(console.width, picture.shape[1])))
    if not write:
        console.print(f"Put this under `datasets:` of {FILE}, or call again with --write:\n")
    typer.echo(block_of(name, entry))
    if write:
        insert(FILE, name, entry)
        console.print(f"Written to {FILE}. Next: python -m pipeline_src data check {name}")


def _checked(name: str) -> str:
    """The name of a new set; UserError if it cannot be one, or is one of ours."""
    if not re.fullmatch(catalog.NAME, name):
        raise UserError(
            f"{name!r} cannot be the name of a data set",
            expected="letters (a to z), digits, dots, dashes and underscores, a letter or digit first",
            do="choose one: --name my-set",
        )
    if name in known.load():
        raise UserError(
            f"{name} is the name of a data set that is known already",
            expected="its folder or archive where `data_root` points to, and no entry",
            do=f"python -m pipeline_src data check {name}  (or choose another --name)",
        )
    return name


@contextmanager
def _opened(path: Path):
    """The folder itself, or what the archive holds, for a while."""
    if path.is_dir():
        yield path
        return
    from pipeline_src.data.unpack import unpack

    with tempfile.TemporaryDirectory() as folder:
        unpack(path, Path(folder))
        try:
            yield Path(folder)
        except UserError as error:  # nobody knows the temporary folder
            raise UserError(str(error).replace(folder, str(path))) from None


def _splits(path: Path, root: Path) -> list[Path]:
    """Name lists in the folder of downloads whose names begin with that of the archive."""
    return sorted((root / "splits").glob(f"{path.name.split('.')[0]}[-_]*.txt"))
