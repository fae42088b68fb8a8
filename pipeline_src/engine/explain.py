"""What a contract is made of, and what of it differs from the result that lies there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_src.engine.job import Job
from pipeline_src.engine.stamp import Stamp
from pipeline_src.versions import installed


@dataclass(frozen=True)
class Ingredient:
    """One thing that a contract holds.

    Attributes:
        name: e.g. "parameters.training.lr", "input train (store/train)", "code pipeline_src/rng.py"; the keys of a
            mapping have the name of the mapping.
        now, before: its value or digest, today and in the stamp of the result that lies there; None if it is absent.
    """

    name: str
    now: str | None
    before: str | None

    @property
    def differs(self) -> bool:
        return self.now != self.before

    def is_named_by(self, others: Collection[str]) -> bool:
        """Whether it is a key that came or went, which its mapping among `others` names."""
        return None in (self.now, self.before) and self.name.rpartition(".")[0] in others

    @property
    def difference(self) -> str:
        """What differs, in words."""
        if self.name.startswith("parameters"):
            return f"{self.name} {self.before or 'absent'} -> {self.now or 'absent'}"
        return f"{self.name} " + ("is new" if self.before is None else "is gone" if self.now is None else "changed")


def ingredients(job: Job) -> list[Ingredient]:
    """All that the job's contract is made of, and what the contract of the result that lies there has besides."""
    new, old = dict(_flat(job.ingredients, job.details)), {}
    if there := latest_stamp(job):
        old = dict(_flat(there[1].ingredients, there[1].details))
        if new["code"] == old["code"]:  # its files may have been renamed or moved
            old = {name: text for name, text in old.items() if not name.startswith("code ")}
            old |= {name: text for name, text in new.items() if name.startswith("code ")}
    return [Ingredient(name, new.get(name), old.get(name)) for name in dict.fromkeys([*new, *old])]


def differences(job: Job) -> list[str]:
    """Why a job is not current: what differs from the result that lies there, or what is missing of it."""
    if latest_stamp(job) is None:
        unread = [f"its stamp {path} cannot be read: damaged, or of an older version" for path in sorted(job.stamps())]
        return unread or ["not made yet"]
    changes = {each.name: each for each in ingredients(job) if each.differs}
    if changes:
        if any(name.startswith("code ") for name in changes):
            changes.pop("code", None)  # the files say it
        return [each.difference for each in changes.values() if not each.is_named_by(changes)]
    if (stamp := job.valid_stamp) is None:
        return ["it makes other files"]
    others = [f"{job.inputs[role].name} was made anew and has another content" for role in job.changed_inputs(stamp)]
    return [str(fault) for fault in job.faults()] + others


def stale(jobs: Iterable[Job]) -> list[str]:
    """The jobs that are not current, each with the reasons."""
    return [f"{job.name}: {'; '.join(differences(job))}" for job in jobs if not job.current]


def made_with(jobs: Iterable[Job]) -> dict[str, list[str]]:
    """Versions with which current results were made, those that are others here marked -> names of the jobs. Stamps of
    former versions of this program do not say."""
    names_by_versions: dict[str, list[str]] = {}
    for job in jobs:
        if stamp := job.valid_stamp:
            texts = [_version(*each) for each in stamp.made.get("versions", {}).items()]
            names_by_versions.setdefault(", ".join(texts) or "not known", []).append(job.name)
    return names_by_versions


def other_versions(jobs: Iterable[Job]) -> dict[str, list[str]]:
    """A library's version that is not the one here -> names of the jobs that used it."""
    names_by_version: dict[str, list[str]] = {}
    for job in jobs:
        stamp = job.valid_stamp
        for name, number in stamp.made.get("versions", {}).items() if stamp else ():
            if number != installed(name):
                names_by_version.setdefault(_version(name, number), []).append(job.name)
    return names_by_version


def _version(name: str, number: str) -> str:
    here = installed(name)
    return f"{name} {number}" + ("" if number == here else f" (here {here or 'none'})")


def latest_stamp(job: Job) -> tuple[Path, Stamp] | None:
    """The stamp of the result that lies there, and where it is; of the current contract, if there are several."""
    paths = sorted(job.stamps(), key=lambda path: path != job.stamp)
    return next(((path, stamp) for path in paths if (stamp := Stamp.read(path))), None)


def _flat(ingredients: Mapping[str, Any], details: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    yield "kind", ingredients["kind"]
    yield from _values(ingredients["parameters"], "parameters")
    for role, contract in ingredients["inputs"].items():
        name = details["inputs"].get(role, role)
        yield f"input {role}" + (f" ({name})" if name != role else ""), contract
    yield "code", ingredients["code"]
    yield from ((f"code {file}", digest) for file, digest in details["code"].items())
    yield from ((f"file {role}", digest) for role, digest in ingredients["files"].items())


def _values(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        yield name, ", ".join(value)
        for key, each in value.items():
            yield from _values(each, f"{name}.{key}")
    else:
        yield name, repr(value)
