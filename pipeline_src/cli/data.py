"""`dense-calibration data`: list, get and check datasets."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline_src.cli.options import flag, plain_console
from pipeline_src.data import catalog
from pipeline_src.data.sources import available_source, download, download_lists, downloadable
from pipeline_src.errors import UserError
from pipeline_src.params.load import FILE, downloads, read
from pipeline_src.pipeline.job import UNPACKED

app = typer.Typer(help="Datasets: list, download and check them.")


@app.command("list")
def list_sets() -> None:
    """All known datasets: task, sources (* is available), number of images, terms, citation.

    Example: dense-calibration data list
    """
    params = read()
    root = downloads(params)
    console = plain_console()
    console.print(f"Datasets and their sources; * is available in {root}")
    for name, entry in catalog.load(params.datasets).items():
        objects = "; images without an object" if entry.ood else ""
        console.print(f"\n{name}: {entry.task}{objects}", style="bold")
        available = available_source(entry, root)
        for key, source in entry.sources.items():
            mark = "*" if key == available else " "
            fetched = f" (data get {name})" if source.download else ""
            console.print(f"  {mark} {source.description}{fetched}")
            if source.note:
                console.print(f"      {source.note}")
        for text in (entry.terms, entry.citation):
            if text:
                console.print(f"    {text}")


@app.command()
def get(
    names: Annotated[list[str], typer.Argument(help="Datasets of `data list`", show_default=False)],
    yes: Annotated[bool, flag("--yes", "-y", help="You know the terms and agree")] = False,
) -> None:
    """Download datasets and name lists that have an address; for others, print what to put where.

    Example: dense-calibration data get DTD
    """
    params = read()
    root = downloads(params)
    console = plain_console()
    entries = catalog.load(params.datasets)
    absent = []
    for entry in [catalog.find(entries, name) for name in names]:
        try:
            if entry.generated:
                console.print(f"{entry.name}: synthetic, needs no files")
            elif available_source(entry, root):
                console.print(f"{entry.name}: is in {root}")
            else:
                source = downloadable(entry)
                if source:
                    console.print(f"{entry.name}: {' and '.join(source.download)}")
                    console.print(f"  terms: {entry.terms or 'not known'}")
                    if not yes:
                        typer.confirm("Download it under these terms?", abort=True)
                files = ", ".join(map(str, download(entry, root)))
                console.print(
                    f"{entry.name}: {files}. Next: dense-calibration data check {entry.name}"
                )
            for path in download_lists(entry, root):
                console.print(f"{entry.name}: {path}")
        except UserError as error:  # the other datasets do not depend on it
            absent.append(str(error))
    if absent:
        raise UserError("\n".join(absent))


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Datasets (default: available, and all of {FILE})")
    ] = None,
) -> None:
    """Read every file: pairs, counts, sizes, values of masks, name lists, sha256.
    Exit code 1 on a fault.

    Example: dense-calibration data check DTD
    """
    from pipeline_src.data.prepare import check_dataset  # imports OpenCV

    params = read()
    root = downloads(params)
    console = plain_console()
    entries = catalog.load(params.datasets)
    if not names:
        names = []
        for name, entry in entries.items():
            known = name in params.datasets or available_source(entry, root)
            if known and not entry.generated:
                names.append(name)
    if not names:
        console.print(f"{root} has no known dataset.")
    faulty = False
    for entry in [catalog.find(entries, name) for name in names]:
        report = check_dataset(entry, root, UNPACKED)
        title = f"{entry.name} ({report.source})" if report.source else entry.name
        verdict = f"{len(report.problems):,} problems" if report.problems else "in order"
        facts = [f"{title}: {verdict}", f"{report.samples:,} samples"]
        if report.splits:
            facts.append(", ".join(f"{split} {n:,}" for split, n in report.splits.items()))
        console.print("; ".join(facts))
        for text in report.problems:
            faulty = True
            console.print(f"  {entry.name}: {text}", style="red")
        for text in report.notes:
            console.print(f"  {text}", style="yellow" if text.startswith("WARNING") else None)
    if faulty:
        raise typer.Exit(1)
