"""`dense-calibration data`: which sets there are, whether they are in order, and the entry of a new one."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipeline_src.cli.options import ExperimentName, plain_console
from pipeline_src.data import advice, catalog
from pipeline_src.data.entry import SET_NAME, Entry
from pipeline_src.data.manifest import Row
from pipeline_src.data.set_check import check_set, misfits
from pipeline_src.data.sources import available_source
from pipeline_src.data.splits import assign_splits
from pipeline_src.errors import UserError, few
from pipeline_src.files import fault
from pipeline_src.params.load import FILE, downloads, params_file, read
from pipeline_src.pipeline.data_jobs import UNPACKED

if TYPE_CHECKING:
    from rich.progress import TaskID

    from pipeline_src.data.detection.detect import Detected

ENOUGH_IMAGES = 30  # to validate on

app = typer.Typer(help="Data sets: which are known and here, whether they are in order, and how to add one.")


@app.command("list")
def list_sets():
    """All data sets that are known: what for, where to get them, how many images, which source is here (*), terms.

    Example: dense-calibration data list
    """
    params = read()
    root, console = downloads(params), plain_console()
    console.print(f"Data sets, and the sources that each can come from; * lies in {root}")
    for name, entry in catalog.load(params.datasets).items():
        console.print(f"\n{name}: {entry.task}; {', '.join(advice.roles(entry))}", style="bold")
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
    names: Annotated[list[str], typer.Argument(help="Data sets of `data list`", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", metavar="", help="You know the terms and agree")] = False,
) -> None:
    """Download data sets, where their authors give an address; otherwise say what to put where.

    What was stopped goes on when the command is started again.

    Example: dense-calibration data get DTD
    """
    from pipeline_src.data.download import archives, download

    params = read()
    root, console = downloads(params), plain_console()
    entries, faults = catalog.load(params.datasets), 0
    for entry in [catalog.find(entries, name) for name in names]:
        if entry.generated:
            console.print(f"{entry.name}: drawn by this program")
            continue
        if available_source(entry, root):
            problems = misfits(entry, root, UNPACKED)
            faults += len(problems)
            console.print(f"{entry.name}: {f'{len(problems):,} problems' if problems else f'is in {root}'}")
            for text in problems:
                console.print(f"  {entry.name}: {text}", style="red")
        else:
            for archive in archives(entry):
                console.print(f"{entry.name}: {archive.name} from {' or the mirror '.join(archive.addresses)}")
            console.print(f"  terms: {entry.terms or 'not known'}")
            if archives(entry) and not yes and not typer.confirm("Download it under these terms?"):
                raise typer.Exit(1)
            with _progress() as progress:
                made = download(entry, root, progress)
            console.print(f"{entry.name}: {', '.join(map(str, made))}. Next: dense-calibration data check {entry.name}")
        for text in advice.missing_lists(entry, available_source(entry, root), root):
            console.print(f"  {text}")
    if faults:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Bars on the terminal; called with the name of a file, the bytes that are here, and all of them."""
    from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    name = TextColumn("{task.description}", markup=False)
    with Progress(
        name, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def show(file: str, here: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file)
            bars.update(tasks[file], completed=here, total=total)

        yield show


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help=f"Data sets [default: all here, all of {FILE}]")] = None,
) -> None:
    """Read every file: pairs, counts, sizes, values of masks, name lists, sha256. Exit code 1 on a fault.

    Example: dense-calibration data check DTD
    """
    params = read()
    root, console = downloads(params), plain_console()
    entries, wrong = catalog.load_valid(params.datasets)
    wrong = {name: text for name, text in wrong.items() if not names or name in names}
    default = [
        name
        for name, entry in entries.items()
        if not entry.generated and (name in params.datasets or available_source(entry, root))
    ]
    chosen = [catalog.find(entries, name) for name in names or default if name not in wrong]
    if not chosen and not wrong:
        console.print(f"No data set is here: {root} holds none that is known.")
    faults = len(wrong)
    for name, text in wrong.items():
        console.print(f"{name}: its entry is wrong")
        console.print(f"  {name}: {text}", style="red")
    for entry in chosen:
        report = check_set(entry, root, UNPACKED, params.limits)
        faults += len(report.problems)
        splits = ", ".join(f"{split} {count:,}" for split, count in report.splits.items())
        verdict = f"{len(report.problems):,} problems" if report.problems else "in order"
        title = f"{entry.name} ({report.source})" if report.source else entry.name
        console.print(f"{title}: {verdict}; {report.samples:,} samples; {splits}".removesuffix("; "))
        for text in report.problems:
            console.print(f"  {entry.name}: {text}", style="red")
        for text in report.notes:
            console.print(f"  {text}")
    if faults:
        raise typer.Exit(1)


@app.command()
def croissant(
    name: Annotated[str, typer.Argument(help="A data set of the experiment", show_default=False)],
    experiment: ExperimentName = None,
) -> None:
    """Write Croissant metadata of a prepared data set beside its manifest.

    Example: dense-calibration data croissant tiny-scenes --experiment tiny
    """
    from pipeline_src.data import croissant as module
    from pipeline_src.params.load import resolve

    params = read()
    entry = catalog.find(catalog.load(params.datasets), name)
    prepared = Path("data") / resolve(params, experiment)[0] / "manifests" / name
    if not (prepared / module.MANIFEST).is_file():
        raise UserError(
            f"data set {name} is not prepared",
            found=f"no {prepared / module.MANIFEST}",
            expected="the list of its files with their hashes, which `prepare` writes",
            do=f"dense-calibration prepare --set {name}" + (f" --experiment {experiment}" if experiment else ""),
        )
    plain_console().print(str(module.write(entry, prepared)))


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A folder, or a zip or tar archive", show_default=False)],
    name: Annotated[str | None, typer.Option(help="Name of the set [default: that of the path]")] = None,
    images: Annotated[str | None, typer.Option(help="Folder of the images, where several could be meant")] = None,
    masks: Annotated[str | None, typer.Option(help="Folder of the masks, where several could be meant")] = None,
    ood: Annotated[
        bool, typer.Option("--ood", metavar="", help="There is nothing to find in the images: no masks")
    ] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write some pairs as a picture to this new .png file")] = None,
    write: Annotated[
        bool, typer.Option("--write", metavar="", help=f"Put the entry under `datasets:` of {FILE}")
    ] = False,
) -> None:
    """Find out what a folder or archive holds and write its entry.

    Example: dense-calibration data add my-set.zip --write
    """
    from pipeline_src.data.detection.contact_sheet import contact_sheet, in_blocks, save
    from pipeline_src.data.detection.detect import detect
    from pipeline_src.data.detection.params_entry import entry_of, insert, yaml_block
    from pipeline_src.data.unpack import maybe_cut

    params = read()
    root, console = downloads(params), plain_console()
    if not path.is_dir() and (reason := fault(path) if path.exists() else "does not exist"):
        raise UserError(f"{path} {reason}", expected="a folder, or a zip or tar archive", do="name another path")
    stem = path.name.split(".")[0]
    name = _checked(name or stem)
    with _opened(path) as folder:
        beside = [*path.parent.glob("*.txt"), *sorted((root / "splits").glob(f"{stem}[-_]*.txt"))]
        detected = detect(folder, [] if path.is_dir() else beside, name, images, masks, ood)
        pairs = [(folder / image, folder / mask if mask else None) for _, image, mask in detected.pairs]
        picture = contact_sheet(pairs)
        entry = entry_of(path, folder, detected, root)
    loaded = catalog.load({**params.datasets, name: entry})[name]  # it would be refused now rather than later
    console.print(f"{path}: {len(detected.pairs):,} {'pairs' if detected.masks else 'images, no masks'}")
    for text in _remarks(name, detected, None if path.is_dir() else maybe_cut(path)):
        console.print(text)
    if 0 < (number := _validation(loaded, detected.pairs, root, path)) < ENOUGH_IMAGES:
        console.print(
            f"The split val has {number} image{'s' * (number > 1)}. With fewer than {ENOUGH_IMAGES}, what is fitted "
            "or chosen on them varies much: give it a larger `fraction`."
        )
    if sheet:
        save(picture, sheet)
        console.print(f"Pairs in {sheet}")
    elif console.is_terminal and picture.size:
        console.print(in_blocks(picture, min(console.width, picture.shape[1])))
    if not write:
        console.print(f"Put this under `datasets:` of {params_file()}, or call again with --write:\n")
    typer.echo(yaml_block(name, entry))
    if write:
        done = "Written to" if insert(params_file(), name, entry) else "This is already in"
        console.print(f"{done} {params_file()}. Next: dense-calibration data check {name}")


def _remarks(name: str, detected: Detected, cut: str | None) -> Iterator[str]:
    """What the user should know of a folder; `cut` says why an archive may not be whole."""
    if ids := detected.values.ids:
        yield f"Masks of {len(ids)} ids: give `classes` their names, and name one that is void by `void:`."
        if (empty := detected.values.classes - len(ids)) > 0:
            yield (
                f"They are {few(ids)}: the entry has a class for each id from 0 to {ids[-1]}, {empty} of them without "
                f"a pixel. Keep these, or renumber the masks to 0 to {len(ids) - 1}."
            )
    if detected.unpaired:
        yield f"{detected.unpaired:,} images or masks have no partner: `data check {name}` lists them."
    if detected.unreadable:
        yield f"{detected.unreadable:,} files or more cannot be used: `data check {name}` lists them."
    if detected.alternatives:
        names = ", ".join(detected.alternatives)
        yield f"Other folders of masks: {names}. To take one: --masks {detected.alternatives[0]}"
    yield from detected.notes
    if cut:
        yield cut


def _validation(entry: Entry, pairs: list[tuple[str, str, str]], data_root: Path, path: Path) -> int:
    """The number of images in a set's drawn split `val`; 0 where it is not drawn."""
    if "val" not in entry.splits or entry.splits["val"].fraction is None:
        return 0
    rows = [Row(id=stem, stem=stem, image=image, mask=mask) for stem, image, mask in pairs]
    assign_splits(entry, entry.splits, data_root, path, rows)
    return sum("val" in row.splits for row in rows)


def _checked(name: str) -> str:
    """The name of a new set; UserError if it cannot be one, or is one of ours."""
    if not re.fullmatch(SET_NAME, name):
        raise UserError(
            f"{name!r} cannot be the name of a data set",
            expected="letters (a to z), digits, dots, dashes and underscores, a letter or digit first",
            do="choose one: --name my-set",
        )
    if name in catalog.load():
        raise UserError(
            f"{name} is the name of a data set that is known already",
            expected="its folder or archive where `data_root` points to, and no entry unless its layout is another",
            do=f"dense-calibration data check {name}; if no folder of the entry fits, write under `datasets:` of "
            f"{FILE}  {name}: {{folder: PATH, images: Imgs/*.jpg, masks: Imgs/*.png}}; or choose another --name",
        )
    return name


@contextmanager
def _opened(path: Path) -> Iterator[Path]:
    """The folder itself, or what the archive holds, for a while."""
    if path.is_dir():
        yield path
        return
    from pipeline_src.data.unpack import unpack

    with tempfile.TemporaryDirectory() as folder:
        unpack(path, Path(folder), read().limits)
        try:
            yield Path(folder)
        except UserError as error:  # nobody knows the temporary folder
            raise UserError(str(error).replace(folder, str(path))) from None
