"""`dense-calibration data`: list, get and check datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline_src.cli.options import plain_console
from pipeline_src.data import catalog
from pipeline_src.data.entry import Entry
from pipeline_src.data.sources import available_source, download, download_lists, downloadable
from pipeline_src.params.load import FILE, downloads, read
from pipeline_src.pipeline.job import UNPACKED

app = typer.Typer(help="Datasets: list, download and check them.")


@app.command("list")
def list_sets() -> None:
    """All known datasets: task, sources (* is available), number of images, terms, citation.

    Example: dense-calibration data list
    """
    params = read()
    root, console = downloads(params), plain_console()
    console.print(f"Datasets and their sources; * is available in {root}")
    for name, entry in catalog.load(params.datasets).items():
        console.print(
            f"\n{name}: {entry.task}{'; images without an object' if entry.ood else ''}",
            style="bold",
        )
        available = available_source(entry, root)
        for key, source in entry.sources.items():
            fetched = f" (data get {name})" if source.download else ""
            console.print(f"  {'*' if key == available else ' '} {source.description}{fetched}")
            if source.note:
                console.print(f"      {source.note}")
        for text in filter(None, (entry.terms, entry.citation)):
            console.print(f"    {text}")


@app.command()
def get(
    names: Annotated[list[str], typer.Argument(help="Datasets of `data list`", show_default=False)],
    yes: Annotated[
        bool, typer.Option("--yes", "-y", metavar="", help="You know the terms and agree")
    ] = False,
) -> None:
    """Download datasets and name lists that have an address; for others, print what to put where.

    Example: dense-calibration data get DTD
    """
    params = read()
    root, console = downloads(params), plain_console()
    entries = catalog.load(params.datasets)
    for entry in [catalog.find(entries, name) for name in names]:
        if entry.generated:
            console.print(f"{entry.name}: synthetic, needs no files")
        elif available_source(entry, root):
            console.print(f"{entry.name}: is in {root}")
        else:
            files = _download(entry, root, yes)
            console.print(
                f"{entry.name}: {', '.join(files)}. Next: dense-calibration data check {entry.name}"
            )
        for path in download_lists(entry, root):
            console.print(f"{entry.name}: {path}")


def _download(entry: Entry, root: Path, yes: bool) -> list[str]:
    """Download a dataset whose terms the user accepts; returns the new files."""
    if source := downloadable(entry):
        plain_console().print(
            f"{entry.name}: {' and '.join(source.download)}\n  terms: {entry.terms or 'not known'}"
        )
        if not yes and not typer.confirm("Download it under these terms?"):
            raise typer.Exit(1)
    return [str(path) for path in download(entry, root)]


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Datasets (default: available, and all of {FILE})")
    ] = None,
) -> None:
    """Read every file: pairs, counts, sizes, values of masks, name lists, sha256. Exit code 1 on a
    fault.

    Example: dense-calibration data check DTD
    """
    from pipeline_src.data.prepare import check_dataset  # imports OpenCV

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
        report = check_dataset(entry, root, UNPACKED)
        faults += len(report.problems)
        splits = ", ".join(f"{split} {count:,}" for split, count in report.splits.items())
        verdict = f"{len(report.problems):,} problems" if report.problems else "in order"
        title = f"{entry.name} ({report.source})" if report.source else entry.name
        console.print(
            f"{title}: {verdict}; {report.samples:,} samples; {splits}".removesuffix("; ")
        )
        for text in report.problems:
            console.print(f"  {entry.name}: {text}", style="red")
        for text in report.notes:
            console.print(f"  {text}", style="yellow" if text.startswith("WARNING") else None)
    if faults:
        raise typer.Exit(1)
