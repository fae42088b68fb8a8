"""The jobs of an experiment."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pipeline_src.engine.code import digest
from pipeline_src.engine.job import Job
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.verified import RECORDS


@dataclass
class Graph:
    """Jobs by name, inputs before those that need them.

    Attributes:
        name: what messages call it.
    """

    name: str
    jobs: dict[str, Job] = field(default_factory=dict, init=False)

    def add(self, jobs: Iterable[Job]) -> None:
        """Take jobs in; their inputs must be there."""
        for job in jobs:
            missing = [of.name for of in job.inputs.values() if self.jobs.get(of.name) is not of]
            if missing or job.name in self.jobs:
                raise ValueError(f"{job.name}: " + (f"no inputs {missing}" if missing else "is there already"))
            self.jobs[job.name] = job

    def job(self, name: str) -> Job:
        """A job by name; UserError names the nearest if there is none."""
        if name not in self.jobs:
            kind = name.partition("/")[0]
            raise UserError(
                f"experiment {self.name} has no job {name}",
                expected=", ".join(job.name for job in self.of_kinds(kind)) or ", ".join(self.jobs),
                do=did_you_mean(name, self.jobs),
            )
        return self.jobs[name]

    def of_kinds(self, *kinds: str) -> list[Job]:
        """All jobs of some kinds."""
        return [job for job in self.jobs.values() if job.kind in kinds]

    def matching(self, patterns: Iterable[str]) -> list[Job]:
        """Jobs by names with wildcards, as in `train/*`; UserError for a pattern that none matches."""
        matches: dict[str, Job] = {}
        for pattern in patterns:
            names = [name for name in self.jobs if fnmatchcase(name, pattern)]
            matches |= {name: self.job(name) for name in names or [pattern]}
        return [job for name, job in self.jobs.items() if name in matches]

    def batch_of(self, job: Job) -> tuple[str, list[Job]]:
        """The jobs that one job of Snakemake makes, this one among them, and their common name. Here it is alone."""
        return job.name, [job]

    def flag(self, job: Job) -> str:
        """The file whose existence tells Snakemake that the result of a job is current, with those that are made
        in a batch with it: an output of their rule."""
        name, jobs = self.batch_of(job)
        return f"{RECORDS}/current/{self.name}/{name}.{contract(jobs)}"

    def dependants(self, names: Collection[str]) -> list[Job]:
        """Jobs that need one of `names`, directly or not."""
        reached = set(names)
        for name, job in self.jobs.items():
            if any(of.name in reached for of in job.inputs.values()):
                reached.add(name)
        return [job for name, job in self.jobs.items() if name in reached and name not in names]


def contract(jobs: list[Job]) -> str:
    """The contract of jobs that are made together; of one job its own."""
    return jobs[0].contract if len(jobs) == 1 else digest([job.contract for job in jobs])


def with_inputs(jobs: Iterable[Job]) -> dict[str, Job]:
    """Jobs and all their inputs, direct or not, by name."""
    seen: dict[str, Job] = {}
    queue = list(jobs)
    while queue:
        job = queue.pop()
        if job.name not in seen:
            seen[job.name] = job
            queue += job.inputs.values()
    return dict(sorted(seen.items()))
