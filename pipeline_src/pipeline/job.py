"""A job: the inputs of its result, the result's folder and state; and a graph of jobs."""

from __future__ import annotations

import fnmatch
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pipeline_src.errors import UserError, did_you_mean, few
from pipeline_src.files import Content
from pipeline_src.pipeline.fingerprint import (
    as_json,
    code_digests,
    digest,
    file_digest,
    file_fingerprint,
)
from pipeline_src.pipeline.manifest import NAME, STORE, Manifest
from pipeline_src.python_source import installed

UNFINISHED = STORE / "unfinished"
UNPACKED = Path("data/unpacked")  # archives, unpacked once for all experiments


@dataclass(frozen=True, eq=False)
class Job:
    """A unit of work that writes one folder of files, its result.

    The result is current if its folder exists, because the path contains the fingerprint. `work`
    sees only the job, so the fingerprint covers everything that can change the result.

    Attributes:
        kind: such as "train"; part of the fingerprint.
        name: unique in an experiment, such as "train/baseline/seed0"; not part of the fingerprint.
        files: names of the files that it writes.
        work: a top-level function `work(job, folder)` that writes the `files` that the folder
            lacks. It may return file -> seconds for the files of `depends_on`.
        parameters: all values that the result depends on, in JSON's types, models or dataclasses.
        inputs: role -> the job whose result it reads. Roles are part of the fingerprint, names of
            jobs are not.
        options: values that cannot change the result: device, processes, folders of data.
        modules: dotted names of further modules whose code counts.
        other_files: role -> a file whose bytes count: a style sheet, a template.
        depends_on: file -> the roles of the inputs that it depends on. Such a file has a
            fingerprint of its own, and is copied from a stored result that has it.
        reads: the one file that counts of each input whose files have fingerprints of their own.
        view: the folder below `results/<experiment>` in which people find the files.
        view_form: the path of a file below `view`, with its name ({file}) or `{stem}`.
    """

    kind: str
    name: str
    files: tuple[str, ...]
    work: Callable[[Job, Path], Mapping[str, float] | None]
    parameters: Content = field(default_factory=dict)
    inputs: Mapping[str, Job] = field(default_factory=dict)
    options: Content = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    other_files: Mapping[str, Path] = field(default_factory=dict)
    depends_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reads: str = ""
    view: Path | None = None
    view_form: str = "{file}"

    @cached_property
    def ingredients(self) -> Content:
        """The values whose digest is the fingerprint, in JSON's types."""
        inputs = {}
        for role in sorted(self.inputs):
            needed = self.inputs[role]
            # Of an input with a fingerprint for each file, only the file that is read counts.
            inputs[role] = needed.file_fingerprints.get(self.reads, needed.fingerprint)
        files = {role: file_digest(file) for role, file in sorted(self.other_files.items())}
        return {
            "kind": self.kind,
            "parameters": as_json(dict(sorted(self.parameters.items()))),
            "inputs": inputs,
            "code": code_digests(self.work, [self.parameters, self.options], self.modules),
            "files": files,
        }

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the result, 16 hex digits."""
        return digest(self.ingredients)

    @cached_property
    def file_fingerprints(self) -> dict[str, str]:
        """The fingerprints of the files of `depends_on`, by file: they leave out the inputs that a
        file does not depend on.
        """
        return {
            file: file_fingerprint(self.ingredients, roles)
            for file, roles in self.depends_on.items()
        }

    @property
    def key(self) -> str:
        """The folder of the result in the store."""
        return f"{self.kind}/{self.fingerprint}"

    @cached_property
    def folder(self) -> Path:
        """The folder of the result."""
        return STORE / self.key

    @property
    def paths(self) -> list[Path]:
        """The files of the result."""
        return [self.folder / name for name in self.files]

    @property
    def scratch(self) -> Path:
        """A folder for files from which `work` resumes; removed when the result exists."""
        return UNFINISHED / self.key

    @property
    def is_made(self) -> bool:
        """Whether all files of the result exist. Readers compare them with the manifest."""
        # Texts, because paths take three times as long for hundreds of files.
        return all(os.path.exists(f"{self.folder}/{name}") for name in (NAME, *self.files))

    @property
    def manifest(self) -> Manifest | None:
        """The manifest of the result; None if it is absent, damaged or of another result."""
        manifest = Manifest.read(self.folder)
        if manifest and manifest.fingerprint == self.fingerprint:
            return manifest
        return None

    def faults(self, reads: str = "") -> list[str]:
        """Return a clause on each missing or damaged file of the result, or on its manifest.

        Args:
            reads: the `reads` of a job that reads the result: the one file that it depends on.
                Without it, all files are checked.
        """
        manifest = self.manifest
        if manifest is None:
            return [f"{self.folder / NAME} is missing or damaged"]
        return manifest.faults(self.folder, self._read_files(manifest, reads))

    def replaced_inputs(self) -> list[str]:
        """Return the names of the inputs that have another content than the result was computed
        from: they were computed again since, under their fingerprint.
        """
        manifest = self.manifest
        if manifest is None:
            return []
        found = []
        for role, read in manifest.inputs.items():
            needed = self.inputs.get(role)  # None in results that earlier versions kept
            content = needed.content_of(self.reads) if needed else "none"
            if content not in ("", read["digest"]):
                found.append(read["name"])
        return found

    def content_of(self, reads: str = "") -> str:
        """Return the digest, 16 hex digits, of the files of the result that a job with these
        `reads` reads: of one file, or of all. It is empty if there is no result.
        """
        manifest = self.manifest
        if manifest is None:
            return ""
        names = self._read_files(manifest, reads)
        return digest([manifest.files[name]["sha256"] for name in names])

    def _read_files(self, manifest: Manifest, reads: str) -> list[str]:
        """Return the names of the files that a job with these `reads` reads: `reads` itself if it
        is a file with a fingerprint of its own, else all.
        """
        return [reads] if reads in self.depends_on else list(manifest.files)

    @property
    def links(self) -> dict[Path, Path]:
        """The paths at which people find the files -> the files; empty without a view."""
        if self.view is None:
            return {}
        return {self.link(name): self.folder / name for name in self.files}

    def link(self, file: str) -> Path:
        """Return the path at which people find a file of a job with a view."""
        assert self.view
        return self.view / self.view_form.format(file=file, stem=Path(file).stem)

    @property
    def former(self) -> tuple[Path, Manifest] | None:
        """The folder and manifest of the result that the view shows now; None if it shows none.

        The view shows the last finished result: one of an earlier fingerprint if parameters, data
        or code changed since.
        """
        for link in self.links:
            folder = linked(link).parent
            manifest = Manifest.read(folder)
            if manifest:
                return folder, manifest
        return None


def linked(link: Path) -> Path:
    """Return the file of the store to which a link of a view points; another path as it is.

    Only one link is followed, because the file may itself be a link into the cache of DVC.
    """
    if not link.is_symlink():
        return link
    return Path(os.path.normpath(link.parent / os.readlink(link)))


@dataclass
class Graph:
    """Jobs by name, inputs before those that need them.

    Attributes:
        name: the name of the experiment.
        jobs: name -> job.
    """

    name: str
    jobs: dict[str, Job] = field(default_factory=dict, init=False)

    def add(self, jobs: Iterable[Job]) -> None:
        """Add jobs whose inputs were added before, so the graph has no cycle."""
        for job in jobs:
            self.jobs[job.name] = job

    def job(self, name: str) -> Job:
        """Return the job of a name; if there is none, a UserError suggests the nearest name."""
        if name not in self.jobs:
            same_kind = fnmatch.filter(self.jobs, name.partition("/")[0] + "*")
            raise UserError(
                f"experiment {self.name} has no job {name}",
                expected=few(same_kind or self.jobs, most=50),
                fix=did_you_mean(name, self.jobs),
            )
        return self.jobs[name]

    def find(self, key: str) -> Job:
        """Return the job of a fingerprint or a key, by which Snakemake names it.

        Args:
            key: a fingerprint, or kind/fingerprint.

        Raises:
            UserError: no job has this fingerprint or key.
        """
        for job in self.jobs.values():
            if key in (job.fingerprint, job.key):
                return job
        raise UserError(
            f"experiment {self.name} has no job {key}: parameters, data or code changed since this "
            "run was planned",
            found=few([job.key for job in self.jobs.values()], most=50),
            fix="start the command again",
        )

    def of_kinds(self, *kinds: str) -> list[Job]:
        """Return all jobs of some kinds."""
        return [job for job in self.jobs.values() if job.kind in kinds]

    def matching(self, patterns: Iterable[str]) -> list[Job]:
        """Return jobs by names with wildcards, as in `train/*`.

        Raises:
            UserError: no job matches a pattern.
        """
        matches = set()
        for pattern in patterns:
            # `job` raises the error
            matches.update(fnmatch.filter(self.jobs, pattern) or [self.job(pattern).name])
        return [job for name, job in self.jobs.items() if name in matches]


def other_versions(jobs: Iterable[Job]) -> list[str]:
    """Return a line for each version of a library that made results but is not installed now, with
    the names of these results.

    Versions are in no fingerprint, so such results stay current, like those of today's version.
    """
    results: defaultdict[str, list[str]] = defaultdict(list)  # version -> names of jobs
    for job in jobs:
        versions = job.manifest.made.get("versions", {}) if job.manifest else {}
        for library, version in versions.items():
            today = installed(library)
            if version != today:
                results[f"made with {library} {version}, here {today or 'none'}"].append(job.name)
    return [f"{version}: {few(names, most=5)}" for version, names in results.items()]
