# All logic of the rules. Whether a result is current is decided by its contract, stamp and files, never by file times or
# Snakemake's own records (docs/workflow.md). Snakemake learns it from flags: empty files, one per job and contract, that are
# there if the result is current. They are the outputs of the rules, and `ancient` as inputs.

import os
import subprocess
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

from pipeline_src.errors import UserError
from pipeline_src.figures.catalogue import pictures
from pipeline_src.params import changes
from pipeline_src.params.load import read
from pipeline_src.steps import overview
from pipeline_src.steps.build import chosen
from pipeline_src.steps.plan import unchecked

try:
    changes.take(config)
    GRAPH = chosen(str(config["experiment"]) if config.get("experiment") else None)
    OVERVIEW = overview.job(read())
    JOBS = [*GRAPH.jobs.values(), OVERVIEW]
    CURRENT = {job.name for job in JOBS if job.current}  # asked once: it reads a stamp and looks at all files
except UserError as error:
    raise WorkflowError(str(error)) from None

EXPERIMENT = GRAPH.name
FLAGS = f".snakemake/current/{EXPERIMENT}"  # as in `Graph.flag`
TRAINING = GRAPH.settings.training

# The Python that runs Snakemake also runs the verbs, unless a software environment is activated for them.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))

RESULTS = [GRAPH.job(name) for name in ("tables", "figures", "claims", "report")]
FIGURES = {picture.name: picture for picture in pictures(GRAPH.facts)}


wildcard_constraints:
    contract="[0-9a-f]{16}",
    set="[^/]+",
    part="[^/]+",
    method="[^/]+",
    seed="[0-9]+",
    file="[^/]+",


def flag(job):
    """The file whose existence tells Snakemake that the result of a job is current."""
    return GRAPH.flag(job)


def flags(*kinds):
    """The flags of all jobs of some kinds."""
    return [flag(job) for job in GRAPH.of_kinds(*kinds)]


for job in JOBS:
    if job.name in CURRENT:
        Path(flag(job)).parent.mkdir(parents=True, exist_ok=True)
        Path(flag(job)).touch()
    else:
        Path(flag(job)).unlink(missing_ok=True)


ALL = flags("tables", "figures", "claims", "report")
ALL += [flag(job) for job in GRAPH.jobs.values() if job.name not in CURRENT]  # what was lost among the rest


def needed(job):
    """The flags of a job's inputs. What is current does not ask for inputs that were lost since."""
    return [flag(of) for of in job.inputs.values() if of.name in CURRENT or job.name not in CURRENT]


def inputs_of(pattern):
    """An input function: what the job named by `pattern` (filled with the wildcards) needs."""

    def inputs(wildcards):
        job = GRAPH.job(pattern.format(**wildcards))
        if wildcards.contract != job.contract:
            raise WorkflowError(f"{job.name} has the contract {job.contract} with these parameters, data and code")
        return needed(job)

    return inputs


def outdated(job):
    """An input newer than all results, where the result of `job` is not current; else none.

    Of a file that it is asked for by name, Snakemake looks at the time alone, and would take it though it is outdated.
    """
    if job.name in CURRENT:
        return []
    marker = Path(".snakemake/outdated", EXPERIMENT, job.name)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(str(time.time_ns()))
    return [str(marker)]


def run_of(wildcards):
    """The job of the run that a file is asked of."""
    try:
        job = GRAPH.job(f"train/{wildcards.method}/seed{wildcards.seed}")
    except UserError as error:
        raise WorkflowError(str(error)) from None
    if wildcards.file not in job.files:
        raise WorkflowError(f"{job.name} makes no file {wildcards.file}, but {', '.join(job.files)}")
    return job


def shown(job):
    """The files of a result, as `snakemake --report` lists them. Of figures those in SVG, as the other formats show the
    same and would make the report many times as large."""
    files = []
    for path in job.paths:
        labels, more = {"file": path.name.split(".")[0], "format": path.suffix[1:]}, {}
        if job.kind == "figures":
            if path.suffix != ".svg":
                files.append(str(path))
                continue
            drawn = FIGURES[path.stem]
            labels = {"figure": drawn.title, "data set": drawn.part, "protocol": drawn.protocol, "method": drawn.method}
            more = {"subcategory": drawn.type.heading}
        files.append(report(str(path), caption=f"../report/{job.kind}.rst", category=job.kind.capitalize(), labels=labels, **more))
    return files


def call(verb, options):
    """The shell command of a verb."""
    return f"python -m pipeline_src {verb} {options} --experiment {EXPERIMENT} --log {{log}}"


def started():
    print(f"Experiment {EXPERIMENT}: {len(GRAPH.runs)} runs. Results come to {GRAPH.results}/.", file=sys.stderr, flush=True)
    for text in unchecked(GRAPH):
        print(text, file=sys.stderr, flush=True)


def finished():
    subprocess.run([sys.executable, "-m", "pipeline_src", "finish", "--experiment", EXPERIMENT], check=False)


def failed(log_file):
    print(
        f"The run stopped. What went wrong stands above and in {GRAPH.results}/logs/; the same command goes on from here.",
        file=sys.stderr,
    )
