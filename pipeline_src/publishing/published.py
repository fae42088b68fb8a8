"""The folder of a published experiment: facts and counts, checked against their SHA-256."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from pydantic import TypeAdapter

from pipeline_src.analysis.facts import Facts, Run
from pipeline_src.errors import UserError, check_name, listed
from pipeline_src.figures.types import Folders
from pipeline_src.files import Content, hash_of, restore_folder, sha256, write_text
from pipeline_src.publishing.archives import readable

if TYPE_CHECKING:
    from pipeline_src.counting.counts import Counts
    from pipeline_src.params.schema import Experiment

FOLDER = Path("results/published")
EXPERIMENT = "experiment.json"
COUNTS = "counts.zip"
RUNS = "runs.zip"  # histories and alphas
SOURCES = (COUNTS, RUNS)  # files from which, with `EXPERIMENT`, all others are computed
TABLES = "tables.zip"
COMPUTED = ("metrics.json", "tables.md", TABLES, "claims.json", "claims.md")
DIGEST = "digest"  # key in experiment.json of the digest of all its other content
SPLITS = "parts"  # key of `Facts.splits` in experiment.json, as in files of earlier versions
# A function that reads counts when it is called, and returns them by protocol.
Loader = Callable[[], Mapping[str, "Counts"]]
Loaders = dict[Run, Loader]  # by method and seed
REPORT = "report.html"  # only some experiments are published with their page
LOCK = Path(".snakemake/locks/published.lock")  # held while `FOLDER` is changed or recomputed
OVERVIEW = "overview"  # the folder of tables and claims across the published experiments
# Keys of params.yaml that `settings` leaves out: either they change no number of a run, or they add
# runs, methods and datasets, which are compared one by one.
LEFT_OUT = {
    "seeds",
    "methods",
    "claims",
    "data.id",
    "data.shifted",
    "data.ood",
    "evaluation.weighted_f",
    "training.device",
    "training.gpus",
    "training.trackers",
    "training.workers",
}


@dataclass(frozen=True)
class Publication:
    """The content of experiment.json.

    Attributes:
        facts: methods, datasets and seeds of the experiment.
        notes: dataset -> a remark for readers of its numbers.
        groups: dataset -> the group of each of its images, if they are not independent.
        params: its settings.
        made: date, commit and versions of the last publishing, by name.
        data: a row for each dataset: source, number and hash of its images.
        files: name -> SHA-256 of each other file.
        counts_in: method -> another published experiment, whose counts.zip has its counts.
    """

    facts: Facts
    notes: Mapping[str, str]
    groups: Mapping[str, Sequence[int]]
    params: Content
    made: Mapping[str, str]
    data: Sequence[Content]
    files: Mapping[str, str]
    counts_in: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Publication:
        """Return the content of experiment.json in `folder`.

        Raises:
            UserError: the file is missing or was altered.
        """
        file = folder / EXPERIMENT
        if not file.exists():
            problem = f"{folder} is not a published experiment"
            check_name(folder.name, names(), problem, fix=f"git checkout -- {folder}")
        with readable(file):
            content = json.loads(file.read_bytes())
            if content.pop(DIGEST, None) != hash_of(**content):
                raise ValueError("the content does not have the digest in its last line")
            content["facts"]["splits"] = content["facts"].pop(SPLITS)
            return TypeAdapter(cls).validate_python(content)

    def write(self, folder: Path) -> None:
        """Write experiment.json into the folder of the other files."""
        content = TypeAdapter(type(self)).dump_python(self, mode="json")
        content["facts"][SPLITS] = content["facts"].pop("splits")
        content["files"] = {
            name: sha256(folder / name)
            for name in (*SOURCES, *COMPUTED, REPORT)
            if (folder / name).is_file()
        }
        content[DIGEST] = hash_of(**content)
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_text(folder / EXPERIMENT, text + "\n")


def names() -> list[str]:
    """Return the names of all published experiments, after restoring one that a killed `publish`
    moved aside.
    """
    for earlier in FOLDER.glob(".*.earlier"):
        restore_folder(FOLDER / earlier.stem.removeprefix("."))
    return sorted(file.parent.name for file in FOLDER.glob(f"[!.]*/{EXPERIMENT}"))


def checked(folder: Path, files: Sequence[str] = SOURCES) -> Publication:
    """Return a published experiment; a UserError if one of `files` is missing or was altered.

    The counts of other experiments that it uses (`Publication.counts_in`) are also checked.

    Args:
        files: names of files in the folder, besides experiment.json.
    """
    publication = Publication.read(folder)
    wrong = []
    for name in files:
        file = folder / name
        if not file.is_file() or sha256(file) != publication.files.get(name):
            wrong.append(file)
    if wrong:
        fix = f"git checkout -- {folder}"
        if set(files).isdisjoint(SOURCES):  # computed files can be recomputed
            fix += f", or: dense-calibration rebuild --write --experiment {folder.name}"
        raise UserError(
            f"{wrong[0]} is not what was published",
            found=f"missing or altered:{listed(wrong)}",
            expected=f"the files whose SHA-256 is in {folder / EXPERIMENT}",
            fix=fix,
        )
    for name in set(publication.counts_in.values()):
        checked(folder.parent / name, [COUNTS])
    return publication


def published_counts(publication: Publication, folder: Path, split: str) -> Loaders:
    """Return (method, seed) -> a function that returns the published counts on a dataset.

    Args:
        folder: of the published experiment.
    """
    from pipeline_src.publishing.counts_file import CountsFile

    # The counts of some methods are in the file of another published experiment.
    experiments = {folder.name, *publication.counts_in.values()}
    files = {name: CountsFile(folder.parent / name / COUNTS) for name in experiments}
    loaders: Loaders = {}
    for method, seed in publication.facts.runs:
        file = files[publication.counts_in.get(method, folder.name)]
        if (split, method, seed) in file.runs:
            loaders[method, seed] = partial(file.read, split, method, seed)
    return loaders


def settings(params: Mapping[str, Any], above: str = "") -> Content:
    """Return the settings of an experiment that can change a number of a run, by dotted name.

    Settings of None are left out: a setting that is off equals one that does not exist.

    Args:
        params: the settings, or a part of them.
        above: the dotted name of this part, with a dot at its end.
    """
    flat: Content = {}
    for key, value in params.items():
        name = f"{above}{key}"
        if value is None or name in LEFT_OUT:
            continue
        if isinstance(value, Mapping):
            flat |= settings(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def default_settings(params: Experiment) -> Content:
    """Return the settings of an experiment that have their defaults (`settings`).

    A publication may be older than a key of params.yaml. The default of such a key leaves results
    as they were without it.
    """
    changed = settings(params.model_dump(mode="json", exclude_defaults=True))
    values = settings(params.model_dump(mode="json"))
    return {name: value for name, value in values.items() if name not in changed}


def run_folders(facts: Facts, folder: Path, out: Path) -> Folders:
    """Return the folders of the published runs: histories and alphas, unpacked into `out`."""
    with ZipFile(folder / RUNS) as file:
        file.extractall(out)
    folders = {}
    for method, seed in facts.runs:
        run_folder = out / method / f"seed{seed}"
        if run_folder.is_dir():  # a method may lack a seed
            folders[method, seed] = run_folder
    return folders
