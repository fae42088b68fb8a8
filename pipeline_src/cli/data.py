"""`dense-calibration data`: list, get, check and add datasets."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline_src.cli.options import plain_console
from pipeline_src.data import catalog
from pipeline_src.data.checks import check_dataset, missing_lists
from pipeline_src.data.entry import SET_NAME, Entry
from pipeline_src.data.sources import available_source, unpack
from pipeline_src.errors import UserError, few
from pipeline_src.params.load import FILE, downloads, params_file, read
from pipeline_src.pipeline.job import UNPACKED

if TYPE_CHECKING:
    from pipeline_src.data.detection import Detected

app = typer.Typer(help="Datasets: list, download, check and add them.")


@app.command("list")
def list_sets() -> None:
    """All known datasets: task, roles, sources (* is available), number of images, terms.

    Example: dense-calibration data list
    """
    params = read()
    root, console = downloads(params), plain_console()
    console.print(f"Datasets and their sources; * is available in {root}")
    for name, entry in catalog.load(params.datasets).items():
        console.print(f"\n{name}: {entry.task}; {', '.join(entry.uses)}", style="bold")
        available = available_source(entry, root)
        for key, source in entry.sources.items():
            fetched = f" (data get {name})" if source.download else ""
            console.print(f"  {'*' if key == available else ' '} {source.description}{fetched}")
            if source.note:
                console.print(f"      {source.note}")
        if entry.terms:
            console.print(f"    {entry.terms}")


@app.command()
def get(
    names: Annotated[list[str], typer.Argument(help="Datasets of `data list`", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", metavar="", help="You know the terms and agree")] = False,
) -> None:
    """Download datasets whose authors give an address; for others, print what to put where.

    Example: dense-calibration data get DTD
    """
    params = read()
    root, console = downloads(params), plain_console()
    entries = catalog.load(params.datasets)
    for entry in [catalog.find(entries, name) for name in names]:
        if entry.generated:
            console.print(f"{entry.name}: synthetic, needs no files")
            continue
        if available_source(entry, root):
            console.print(f"{entry.name}: is in {root}")
        else:
            files = _download(entry, root, yes)
            console.print(f"{entry.name}: {', '.join(files)}. Next: dense-calibration data check {entry.name}")
        for text in missing_lists(entry, available_source(entry, root), root):
            console.print(f"  {text}")


def _download(entry: Entry, root: Path, yes: bool) -> list[str]:
    """Download a dataset whose terms the user accepts; returns the new files."""
    from pipeline_src.data.download import archives, download

    for archive in archives(entry):
        plain_console().print(f"{entry.name}: {archive.name} from {' or the mirror '.join(archive.addresses)}")
    plain_console().print(f"  terms: {entry.terms or 'not known'}")
    if archives(entry) and not yes and not typer.confirm("Download it under these terms?"):
        raise typer.Exit(1)
    return [str(path) for path in download(entry, root)]


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help=f"Datasets [default: available, and all of {FILE}]")] = None,
) -> None:
    """Read every file: pairs, counts, sizes, values of masks, name lists, sha256. Exit code 1 on a fault.

    Example: dense-calibration data check DTD
    """
    params = read()
    root, console = downloads(params), plain_console()
    entries = catalog.load(params.datasets)
    default = [
        name
        for name, entry in entries.items()
        if not entry.generated and (name in params.datasets or available_source(entry, root))
    ]
    chosen = [catalog.find(entries, name) for name in names or default]
    if not chosen:
        console.print(f"{root} has no known dataset.")
    faults = 0
    for entry in chosen:
        report = check_dataset(entry, root, UNPACKED, params.limits)
        faults += len(report.problems)
        splits = ", ".join(f"{split} {count:,}" for split, count in report.splits.items())
        verdict = f"{len(report.problems):,} problems" if report.problems else "in order"
        title = f"{entry.name} ({report.source})" if report.source else entry.name
        console.print(f"{title}: {verdict}; {report.samples:,} samples; {splits}".removesuffix("; "))
        for text in report.problems:
            console.print(f"  {entry.name}: {text}", style="red")
        for text in report.notes:
            console.print(f"  {text}", style="yellow" if text.startswith("WARNING") else None)
    if faults:
        raise typer.Exit(1)


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A folder, or a zip or tar archive", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Name of the dataset [default: name of the path]")] = None,
    images: Annotated[str | None, typer.Option(help="Folder of the images, where several could be meant")] = None,
    masks: Annotated[str | None, typer.Option(help="Folder of the masks, where several could be meant")] = None,
    ood: Annotated[bool, typer.Option("--ood", metavar="", help="Images without an object: no masks")] = False,
    write: Annotated[bool, typer.Option("--write", metavar="", help=f"Put the entry into {FILE}")] = False,
) -> None:
    """Recognize images, masks and splits of a folder or archive, and write the dataset's entry.

    Example: dense-calibration data add my-set.zip --write
    """
    from pipeline_src.data.detection import detect
    from pipeline_src.data.new_entry import create_entry, insert_entry, yaml_block

    params = read()
    root, console = downloads(params), plain_console()
    if not path.exists():
        raise UserError(f"{path} does not exist", expected="a folder, or a zip or tar archive")
    stem = path.name.split(".")[0]
    name = _check_name(name or stem)
    with _opened(path) as folder:
        lists = [*path.parent.glob("*.txt"), *sorted((root / "splits").glob(f"{stem}[-_]*.txt"))]
        detected = detect(folder, [] if path.is_dir() else lists, name, images, masks, ood)
        entry = create_entry(path, folder, detected, root)
    catalog.load({**params.datasets, name: entry})  # an error now is better than later
    console.print(f"{path}: {detected.pairs:,} {'pairs' if detected.masks else 'images, no masks'}")
    for text in _remarks(detected):
        console.print(text)
    if not write:
        console.print(f"Put this under `datasets:` of {params_file()}, or call again with --write:\n")
    typer.echo(yaml_block(name, entry))
    if write:
        done = "Written to" if insert_entry(params_file(), name, entry) else "This is already in"
        console.print(f"{done} {params_file()}. Next: dense-calibration data check {name}")


def _remarks(detected: Detected) -> Iterator[str]:
    """Yield facts of a folder for the user."""
    if ids := detected.values.ids:
        yield f"Masks of {len(ids)} ids: give `classes` their names, and name a void id by `void:`."
        if (empty := detected.values.classes - len(ids)) > 0:
            yield (
                f"The ids are {few(ids)}: the entry has a class for each id from 0 to {ids[-1]}, {empty} of them "
                f"without a pixel. Keep these, or renumber the masks to 0 to {len(ids) - 1}."
            )
    yield from detected.notes


def _check_name(name: str) -> str:
    """Return the name of a new dataset; a UserError if it is invalid, or that of a built-in dataset."""
    if not re.fullmatch(SET_NAME, name):
        raise UserError(
            f"{name!r} cannot be the name of a dataset",
            expected="letters (a to z), digits, dots, dashes and underscores, a letter or digit first",
            fix="choose one: --name my-set",
        )
    if catalog.is_known(name):
        raise UserError(
            f"{name} is the name of a built-in dataset, which needs no entry",
            fix=f"dense-calibration data check {name}, or choose another --name",
        )
    return name


@contextmanager
def _opened(path: Path) -> Iterator[Path]:
    """The folder itself, or a temporary folder with the content of the archive."""
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        unpack(path, Path(folder))
        try:
            yield Path(folder)
        except UserError as error:  # users do not know the temporary folder
            raise UserError(str(error).replace(folder, str(path))) from None
