# All logic of the rules. Whether a result is current is decided by its contract, stamp and files, never by file times or
# Snakemake's own records (docs/workflow.md). Snakemake learns it from flags: empty files, one per job and contract, that are
# there if the result is current. They are the outputs of the rules, and `ancient` as inputs.
#
# On a cluster each job reads these files again, twice, where it runs (docs/cluster.md). There it asks for its own contract and
# those of its inputs, and leaves all flags to the process that has planned the run.

import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from pipeline_src.engine.graph import contract
from pipeline_src.errors import UserError
from pipeline_src.files import check_writable
from pipeline_src.figures.catalogue import pictures
from pipeline_src.inspection.plan import unchecked
from pipeline_src.params import changes
from pipeline_src.params.load import read
from pipeline_src.python_source import ROOT
from pipeline_src.steps import overview
from pipeline_src.steps.build import chosen

PLANS = workflow.is_main_process  # else this is one job, whose command names its rule (--allowed-rules)

try:
    if {*"{}"} & {*str(ROOT)}:  # Snakemake fills what is between braces in the paths of its rules
        raise UserError(
            "the folder of the program has a brace in its path",
            found=ROOT,
            expected="a path without { and }",
            do="rename the folder, or clone or install it elsewhere; a project of yours may have any name",
        )
    if PLANS:
        check_writable(Path(".snakemake/current"), needed=0)
    changes.take(config)
    GRAPH = chosen(str(config["experiment"]) if config.get("experiment") else None)
    OVERVIEW = overview.job(read())
    JOBS = [*GRAPH.jobs.values(), OVERVIEW]
    CURRENT = {job.name for job in JOBS if job.current} if PLANS else set()  # reads all stamps, and looks at all files
except UserError as error:
    raise WorkflowError(str(error)) from None
except KeyboardInterrupt:
    raise WorkflowError("Stopped, before anything ran.") from None

EXPERIMENT = GRAPH.name
FLAGS = f".snakemake/current/{EXPERIMENT}"  # as in `Graph.flag`
TRAINING = GRAPH.settings.training

# The Python that runs Snakemake also runs the commands, unless a software environment is activated for them.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))

# What a cluster is asked for (docs/cluster.md). `runtime` is in minutes, and generous: a training that is stopped by it goes on
# from its last epoch. Of memory, each retry asks for as much again.
RANKS = max(1, TRAINING.gpus)
GPUS = TRAINING.gpus if TRAINING.device != "cpu" else 0
DAY = 24 * 60

RESULTS = [GRAPH.job(name) for name in ("tables", "figures", "claims", "report")]
SHOWN = [job for job in (*RESULTS, OVERVIEW) if PLANS or job.kind in sys.argv]
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


def distinct(jobs):
    """The flags of jobs, each once: jobs that are made together share one."""
    return list(dict.fromkeys(map(flag, jobs)))


def flags(*kinds):
    """An input function: the flags of all jobs of some kinds."""
    return lambda wildcards: distinct(GRAPH.of_kinds(*kinds))


def set_flags():
    """Make the flags of what is current, and remove the others. What is not current may have been made since it was asked,
    by a run that goes on."""
    together = {}
    for job in JOBS:
        together.setdefault(flag(job), []).append(job)
    for file, jobs in together.items():
        path = Path(file)
        if all(job.name in CURRENT for job in jobs):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        elif path.exists() and not all(job.current for job in jobs):
            path.unlink(missing_ok=True)


WHOLE = {flag(job) for job in JOBS} - {flag(job) for job in JOBS if job.name not in CURRENT}

if PLANS:
    set_flags()
    # What people open, and what was lost among the rest.
    ALL = distinct([*RESULTS, *(job for job in GRAPH.jobs.values() if job.name not in CURRENT)])
else:
    ALL = []


def needed(*jobs):
    """The flags of the inputs of jobs that are made together. What is current does not ask for inputs that were lost
    since, nor for those that are made again together with a lost one."""
    inputs = [of for job in jobs for of in job.inputs.values() if flag(of) in WHOLE or job.name not in CURRENT]
    return distinct(inputs)


def inputs_of(pattern):
    """An input function: what the job named by `pattern` (filled with the wildcards) needs, with those that are made
    together with it."""

    def inputs(wildcards):
        name, jobs = GRAPH.batch_of(GRAPH.job(pattern.format(**wildcards)))
        if wildcards.contract != contract(jobs):
            raise WorkflowError(f"{name} has the contract {contract(jobs)} with these parameters, data and code")
        return needed(*jobs)

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


def memory(mb):
    """A resource function: MB of memory, as many again with each retry."""
    return lambda wildcards, attempt: attempt * mb


def command_of(job):
    """A function of the parameter: the command of a result, with its options."""
    of = "" if job is OVERVIEW else f"--experiment {EXPERIMENT}"

    def command(wildcards, threads):
        processes = f"--processes {threads}" if job.kind == "figures" else ""
        return f"{job.kind} --contract {job.contract} {of} {processes}"

    return command


def call(command, options):
    """What the shell runs."""
    return f"python -m pipeline_src {command} {options} --experiment {EXPERIMENT} --log {{log}}"


# What Snakemake tells of every job beside how many are done. Its file in .snakemake/log has all of it.
CHATTER = ("Select jobs to execute", "Execute ", "Touching output file ", "Finished jobid: ")


# A file that is a target is made by another rule's job, after Snakemake looked for it: it warns of each.
MADE_MEANWHILE = re.compile("Warning: the following output files of rule [a-z]+_files were not present")


def is_shown(record):
    """Whether a message is for the terminal."""
    text = str(record.msg)
    return not (MADE_MEANWHILE.match(text) or (record.levelno == logging.INFO and text.startswith(CHATTER)))


def shorten_the_terminal():
    """Leave `CHATTER` and `MADE_MEANWHILE` out on the terminal. No option of Snakemake does that and keeps how many steps
    are done."""
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(is_shown)


if PLANS:
    shorten_the_terminal()


def started():
    how_long = f"How long it takes: dense-calibration plan --experiment {EXPERIMENT}"
    runs = f"{len(GRAPH.runs)} runs. Results come to {GRAPH.results}/"
    print(f"Experiment {EXPERIMENT}: {runs}. {how_long}", file=sys.stderr, flush=True)
    for text in unchecked(GRAPH):
        print(text, file=sys.stderr, flush=True)


def finished():
    subprocess.run([sys.executable, "-m", "pipeline_src", "finish", "--experiment", EXPERIMENT], check=False)


def failed(log_file):
    print(
        f"The run stopped; the same command goes on from here. If you did not stop it, what went wrong stands above and in "
        f"{GRAPH.results}/logs/.",
        file=sys.stderr,
    )
