"""Results that somebody vouches for: stamped anew after a change that does not concern them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from pipeline_src.engine import cache
from pipeline_src.engine.code import digest
from pipeline_src.engine.explain import differences, latest_stamp
from pipeline_src.engine.graph import Graph, with_inputs
from pipeline_src.engine.job import Job
from pipeline_src.engine.stamp import Stamp
from pipeline_src.errors import UserError, listed
from pipeline_src.verified import now


def adopt(
    graph: Graph, names: Collection[str], why: str, remade: Collection[str] = ()
) -> tuple[list[str], dict[str, list[str]]]:
    """Stamp the results of the jobs `names` with today's contracts, as if they had been made under these.

    So are the results of dependants that differ in nothing but adopted inputs. The stamps keep the former contracts,
    `why`, and when it was done.

    Args:
        remade: kinds of dependants that are never adopted, since they show what was.

    Returns:
        Names of the jobs whose results are current now; and of dependants whose results differ in more than adopted
        inputs, with what they differ in.

    Raises:
        UserError: nothing is changed then; a result is not there or not whole, or an input of it is neither current nor
            adopted as well.
    """
    named = [job for job in map(graph.job, names) if not job.current]
    faults = [f"{job.name}: {fault}" for job in named for fault in _faults(job, named)]
    if faults:
        raise UserError(
            "results cannot be adopted",
            found=listed(faults),
            expected="whole results, as they were made, whose inputs are current or adopted as well",
            do="adopt those that they depend on in the same command, or let Snakemake make them",
        )
    former = {job.name: _restamp(job, why) for job in named}
    left: dict[str, list[str]] = {}
    for job in graph.dependants(former):
        there = latest_stamp(job)
        if there is None or job.current or job.kind in remade:
            continue
        path, stamp = there
        if path.suffix[1:] == _former_contract(job, former) and not stamp.faults(job.folder, job.record):
            former[job.name] = _restamp(job, f"an input was adopted: {why}")
        else:
            left[job.name] = differences(job)
    return list(former), left


def adoptions(jobs: Collection[Job]) -> dict[str, list[str]]:
    """Of the jobs and all their inputs, direct or not, those whose results were adopted, with why and when."""
    stamps = {name: Stamp.read(job.stamp) for name, job in with_inputs(jobs).items()}
    entries = {name: stamp.adopted for name, stamp in stamps.items() if stamp and stamp.adopted}
    return {name: [f"{entry['why']} ({entry['time']})" for entry in of] for name, of in entries.items()}


def _faults(job: Job, named: Sequence[Job]) -> Iterator[str]:
    """Why a job's result cannot be adopted."""
    _, stamp = latest_stamp(job) or (None, None)
    if stamp is None:
        yield "not made yet"
    elif list(stamp.files) != list(job.files):
        yield f"it makes other files now: {', '.join(sorted(set(stamp.files) ^ set(job.files)))}"
    elif stamp.faults(job.folder, job.record, again=True):
        yield "its files are not as they were made"
    yield from (
        f"its input {of.name} is not current" for of in job.inputs.values() if not of.current and of not in named
    )


def _former_contract(job: Job, former: Mapping[str, str]) -> str:
    """The job's contract if the adopted inputs had their former ones."""
    inputs = {role: former.get(job.inputs[role].name, of) for role, of in job.ingredients["inputs"].items()}
    return digest(job.ingredients | {"inputs": inputs})


def _restamp(job: Job, why: str) -> str:
    """Replace the stamp; the former contract."""
    there = latest_stamp(job)
    assert there is not None, job.name
    path, stamp = there
    contract = path.suffix[1:]
    adopted = [*stamp.adopted, {"contract": contract, "why": why, "time": now()}]
    new = replace(stamp, ingredients=job.ingredients, details=job.details, adopted=adopted)
    for old in job.stamps():
        old.unlink()
    new.write(job.stamp)
    cache.save(job.cache, job.contract, job.folder, new)
    return contract
