"""A step of the workflow: what its result is made from, where it lies, and whether it is current."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline_src.engine.code import LENGTH, CodeDigest, digest
from pipeline_src.engine.contract import as_json, code_of, file_digest
from pipeline_src.engine.stamp import Fault, Stamp
from pipeline_src.verified import READINGS, readings

CACHE = ".cache"  # in each top folder


@dataclass(frozen=True, eq=False)
class Job:
    """One step. Its result lies in `folder`, and is current if the stamp of its contract is there, with all files.

    `work` sees the job and nothing else of the graph, so all that can change a result is in `parameters`, `inputs`,
    code and files, and counts in the contract.

    Attributes:
        kind: what it does, e.g. "train"; counts in the contract.
        name: unique in a graph, e.g. "train/baseline/seed0"; counts for nothing.
        folder: where its result lies, below the working folder: `<top folder>/<experiment>/...`. The top folder holds
            the cache.
        stem: name of its stamps without the contract; unique in the folder of stamps.
        files: names of the files that it makes in `folder`, all of them. Of two jobs with the same contract they may
            differ, but not in number and order.
        work: a function at the top level of a module, `work(job, folder)`, that writes `files` into an empty `folder`.
        parameters: all values that the result depends on, in JSON's types, models or dataclasses; no name that does not
            matter.
        inputs: role -> the job whose result it reads, e.g. "train", "networks/0". Roles count, names don't.
        options: what `work` may use and the result cannot depend on: device, number of processes, where data lies.
        modules: dotted names of further modules whose code counts, chosen when the graph is built.
        code_files: files of code that count whole, with what they import from their own folders.
        other_files: role -> a file whose content counts: weights, a style sheet, a template.
        stamps_in: where its stamps lie, if not in `folder`.
        varying: those of its files that hold times or dates. Another content of them makes nothing else outdated.
    """

    kind: str
    name: str
    folder: Path
    stem: str
    files: tuple[str, ...]
    work: Callable[[Job, Path], None]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Job] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    code_files: tuple[Path, ...] = ()
    other_files: Mapping[str, Path] = field(default_factory=dict)
    stamps_in: Path | None = None
    varying: tuple[str, ...] = ()

    @cached_property
    def ingredients(self) -> dict[str, Any]:
        """What the contract is the hash of."""
        return {
            "kind": self.kind,
            "parameters": as_json(dict(sorted(self.parameters.items()))),
            "inputs": {role: self.inputs[role].contract for role in sorted(self.inputs)},
            "code": self.code.whole,
            "files": {role: file_digest(self.other_files[role]) for role in sorted(self.other_files)},
        }

    @cached_property
    def code(self) -> CodeDigest:
        """The code that makes the result."""
        values = {"parameters": self.parameters, "options": self.options}
        return code_of(self.work, values, self.modules, self.code_files)

    @cached_property
    def contract(self) -> str:
        """16 hex digits."""
        return digest(self.ingredients)

    @property
    def details(self) -> dict[str, dict[str, str]]:
        """What explains the ingredients (`stamp.Stamp`)."""
        return {"code": self.code.files, "inputs": {role: job.name for role, job in self.inputs.items()}}

    # Where things lie

    @property
    def stamp(self) -> Path:
        """The file whose existence declares the result current."""
        return self.stamp_folder / f"{self.stem}.{self.contract}"

    @property
    def stamp_folder(self) -> Path:
        return self.stamps_in or self.folder

    @property
    def paths(self) -> list[Path]:
        """The files of its result."""
        return [self.folder / name for name in self.files]

    @property
    def cache(self) -> Path:
        """The folder in the top folder in which `cache` keeps all results by contract."""
        return Path(self.folder.parts[0], CACHE)

    @property
    def scratch(self) -> Path:
        """A folder for what `work` can go on from after it was stopped; removed when the result is whole."""
        return self.cache / "unfinished" / self.contract

    @property
    def previous_stamp(self) -> Path:
        """The stamp of a result that is to be made again."""
        return self.cache / "former" / f"{self.contract}.json"

    # What is there

    def stamps(self) -> list[Path]:
        """Stamps of the result that lies there, current or of an older contract."""
        return [path for path in self.stamp_folder.glob(f"{self.stem}.*") if is_stamp(path)]

    @property
    def record(self) -> Path:
        """Where it is kept what was read of the result that lies there."""
        return READINGS / self.stamp_folder / f"{self.stem}.json"

    @property
    def current(self) -> bool:
        """Whether the stamp and all files are there, these as they were made, and of the inputs that lie there."""
        stamp = self.valid_stamp
        return stamp is not None and not stamp.faults(self.folder, self.record) and not self.changed_inputs(stamp)

    @property
    def valid_stamp(self) -> Stamp | None:
        """The stamp of today's contract, if it is there, says what that is made of, and vouches for the files that the
        job makes."""
        stamp = Stamp.read(self.stamp)
        is_ours = stamp and stamp.ingredients == self.ingredients and list(stamp.files) == list(self.files)
        return stamp if is_ours else None

    @property
    def content(self) -> str | None:
        """16 hex digits for the files of its current result, but for those that vary; None if there is no such
        result."""
        if (stamp := self.valid_stamp) is None:
            return None
        return digest([of["sha256"] for name, of in stamp.files.items() if name not in self.varying])

    def changed_inputs(self, stamp: Stamp) -> list[str]:
        """Roles of inputs that had another content when a result was made: the same contract on another machine may
        end in other bits."""
        read = stamp.made.get("read", {})
        contents = {role: of.content for role, of in self.inputs.items() if role in read}
        return [role for role, content in contents.items() if content not in (None, read[role])]

    @property
    def verified(self) -> str:
        """When the files of the result that lies there were read and compared with its stamp, the first of them."""
        return min(each.time for each in readings(self.folder, self.files, self.record).values())

    def faults(self, again: bool = False) -> list[Fault]:
        """Files that are not as the stamp of today's contract says; `again`: all are read, whatever is known."""
        stamp = self.valid_stamp
        return stamp.faults(self.folder, self.record, again) if stamp else []

    @property
    def adopted(self) -> bool:
        """Whether the result was made under another contract, and its owner has vouched for it."""
        stamp = Stamp.read(self.stamp)
        return stamp is not None and bool(stamp.adopted)


def is_stamp(path: Path) -> bool:
    """Whether a file's name is that of a stamp."""
    return len(path.suffix) == LENGTH + 1 and set(path.suffix[1:]) <= set(string.hexdigits.lower())
