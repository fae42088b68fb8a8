# What all rules share: the jobs of the experiment, the input and output files of a rule, and what Snakemake prints. The
# path of a result contains its fingerprint, so a result is current if its path exists (docs/workflow.md). A job's manifest
# is the last file that it writes.
#
# On a cluster, each job parses these files again on its node (docs/cluster.md). There only the job's fingerprint and those
# of its inputs are computed.

import logging
import os
import signal
import subprocess
import sys
from compileall import compile_dir
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from py_compile import PycInvalidationMode

from filelock import FileLock, Timeout
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from pipeline_src.errors import UserError, did_you_mean, naming_files
from pipeline_src.files import check_writable
from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import chosen
from pipeline_src.pipeline.manifest import NAME, STORE
from pipeline_src.pipeline.plan import unchecked_datasets
from pipeline_src.pipeline.runner import RUN_LOCK, check_inputs, check_results, reset_future_times, show
from pipeline_src.pipeline.steps.overview import overview_job
from pipeline_src.processes import OWNER

PLANS = workflow.is_main_process  # whether this process plans all jobs; otherwise it runs one of them
# Only one Snakemake runs in a project at a time. The lock ends with this process.
LOCK = FileLock(RUN_LOCK)
os.environ[OWNER] = str(os.getpid())  # jobs watch this process, and end when it ends


def stop(message):
    """End this process with one message. After an exception, Snakemake would also print lines of this file."""
    print(f"error: {message}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def result_or_stop(action):
    """Return the result of the function `action`. If it raises a UserError, end this process with its message."""
    try:
        with naming_files():
            return action()
    except UserError as error:
        stop(error)


def experiment_jobs():
    """Return the jobs of the experiment that `--config` names, or else of the one that params.yaml picks."""
    for key in config.keys() - {"experiment"}:
        raise UserError(
            f"--config {key}: no such key",
            expected="experiment=NAME; all else is written into params.yaml",
            fix=did_you_mean(key, ["experiment"]),
        )
    return chosen(str(config["experiment"]) if config.get("experiment") else None)


GRAPH = result_or_stop(experiment_jobs)
EXPERIMENT = GRAPH.name
TRAINING = GRAPH.settings.training
SPLITS = list(GRAPH.facts.splits)  # that are evaluated
RESULTS = GRAPH.of_kinds("tables", "figures", "gallery", "claims", "report")  # what people open
LOGS = f"results/{EXPERIMENT}/logs"
PACKAGE = Path(workflow.basedir).parent / "pipeline_src"

# The Python that runs Snakemake also runs the commands.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
RUN_JOB = "python -m pipeline_src run-job {params.key} --experiment {params.experiment} --log {log}"


wildcard_constraints:
    fingerprint="[0-9a-f]{16}",


# Inputs and outputs of rules


@cache
def job_of(fingerprint):
    """Return the job that has a fingerprint."""
    return result_or_stop(lambda: GRAPH.find(fingerprint))


def made(kind, *patterns):
    """Return an input function of a rule: it returns files of those inputs of the rule's job that are of one kind.

    `kind` is the kind of the inputs, such as "train". `patterns` are names of their files, with wildcards; {split} stands
    for the split that the job analyses. Times of files do not count (`ancient`), because paths contain fingerprints.
    """

    def files(wildcards):
        job = job_of(wildcards.fingerprint)
        # A job that has a result asks for no input: otherwise Snakemake would run it again after a removed input.
        if job.key in MADE:
            return []
        names = [pattern.format(split=job.parameters.get("split")) for pattern in patterns]
        found = []
        for needed in job.inputs.values():
            if needed.kind == kind:
                found += [str(path) for path in needed.paths if any(fnmatchcase(path.name, name) for name in names)]
        return list(dict.fromkeys(found))

    return ancient(files)


def result(kind, *names):
    """Return paths of files of a result, in which `{fingerprint}` is a wildcard of the rule."""
    return [f"{STORE}/{kind}/{{fingerprint}}/{name}" for name in names]


def asked(jobs):
    """Return the files to ask for so that Snakemake makes the results of some jobs: their manifests, which are written last.

    Where a result lost other files, these are asked for, too: Snakemake looks at no file that nothing asks for.
    """
    files = []
    for job in jobs:
        files.append(f"{STORE}/{job.key}/{NAME}")
        if (job.folder / NAME).exists():
            files += [str(path) for path in job.paths if not path.exists()]
    return list(dict.fromkeys(files))


def results_of(*kinds):
    """Return an input function of a target: it returns the files to ask for of all jobs of some kinds."""
    return lambda wildcards: asked(GRAPH.of_kinds(*kinds))


# What the rules of all jobs share

# Parameters of a rule, which `RUN_JOB` and messages use.
JOB = {
    "key": lambda wildcards: job_of(wildcards.fingerprint).key,
    "name": lambda wildcards: job_of(wildcards.fingerprint).name,
    "experiment": EXPERIMENT,
}

# Resources on a cluster (docs/cluster.md).
GPUS = TRAINING.gpus if TRAINING.device != "cpu" else 0
CORES = TRAINING.threads + TRAINING.workers


def request(gpu=0, mem_mb=4000, runtime=240):
    """Return a rule's resources on a cluster. `runtime` is in minutes, and generous; each retry requests more memory."""
    return {
        "gpu": gpu,
        "nodes": 1,
        "mem_mb": lambda wildcards, attempt: mem_mb * attempt,
        "runtime": runtime,
    }


def show_results():
    """Link existing results into results/<experiment>/, and reset times that Snakemake would misread."""
    (STORE / "fit").mkdir(parents=True, exist_ok=True)  # DVC versions this folder also where no method is fitted
    reset_future_times(GRAPH.jobs.values())
    show(GRAPH.jobs.values())


def check_results_made():
    """Raise a UserError if results that people open are damaged, or any were computed from inputs that were replaced since.

    Snakemake looks only at whether files exist. Jobs check the files that they read, but nothing reads these.
    """
    check_results([job for job in RESULTS if job.is_made], f"results/{EXPERIMENT}", GRAPH.command)
    check_inputs(GRAPH.jobs.values(), GRAPH.command)


ALL = []  # the manifests that `rule all` needs
MADE = set()  # the keys of jobs that have a result
if PLANS:
    result_or_stop(show_results)
    result_or_stop(check_results_made)
    MADE = {job.key for job in GRAPH.jobs.values() if job.is_made}
    # The results that people open, and all that are missing: also removed ones that others were computed from.
    ALL = asked([*RESULTS, *(job for job in GRAPH.jobs.values() if not job.is_made)])


# How messages of Snakemake about every job begin. They are not shown, but its file in .snakemake/log has them.
CHATTER = ("Select jobs to execute", "Execute ", "Finished jobid: ")


def is_shown(record):
    """Return whether a message of Snakemake is printed in the terminal."""
    if INTERRUPTED.is_set():
        return False
    return not (record.levelno == logging.INFO and str(record.msg).startswith(CHATTER))


class FailedJobs(logging.Handler):
    """Prints the name of each failed job and the end of its log, since `quiet: rules` hides Snakemake's message."""

    def emit(self, record):
        if getattr(record, "event", None) == LogEvent.JOB_ERROR and not INTERRUPTED.is_set():
            # Snakemake adds remarks in brackets to names of files.
            outputs = {Path(str(file).split(" (")[0]) for file in record.output}
            names = [job.name for job in GRAPH.jobs.values() if job.folder / NAME in outputs] or [record.rule_name]
            logs = [Path(str(file).split(" (")[0]) for file in record.log]
            print(f"Failed: {names[0]}", *map(self.last_lines, logs), sep="\n", file=sys.stderr, flush=True)

    @staticmethod
    def last_lines(file):
        """Return the name of a log and its last six lines, as text; a line says so if there is no log."""
        lines = file.read_text(errors="replace").splitlines()[-6:] if file.is_file() else []
        return "\n".join([f"  log: {file}" if lines else f"  no log was written: {file}", *(f"    {line}" for line in lines)])


if PLANS:
    logger.addHandler(FailedJobs())
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(is_shown)


def check_folders():
    """Raise a UserError if results cannot be written."""
    for folder in (STORE, GRAPH.results):
        check_writable(folder, str(folder))


def started():
    """Take the lock of the project (`LOCK`), and print what runs. Without the lock, the process ends."""
    result_or_stop(check_folders)
    try:
        LOCK.acquire(timeout=0)
    except Timeout:
        stop(f"another snakemake runs in {Path.cwd()}: wait until it has ended, or end it. The lock is {LOCK.lock_file}")
    # Snakemake would remove these results, and compute them again.
    if any(job.is_made and job.key not in MADE for job in GRAPH.jobs.values()):
        stop("results were made after this run was planned: start the command again")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # end at once; Snakemake would first wait for its jobs
    # Python takes a compiled module for current by its file's time in seconds and size, fingerprints by the file's content.
    # Compiled like this, its content counts for both: jobs never run an earlier text.
    compile_dir(PACKAGE, quiet=2, force=True, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    lines = [f"Experiment {EXPERIMENT}: {len(GRAPH.runs)} runs. Results are in {GRAPH.results}/."]
    print(*lines, *unchecked_datasets(GRAPH), sep="\n", file=sys.stderr, flush=True)


def finished():
    """Print the summary of the results, unless only some of them were asked for."""
    if all(job.is_made for job in RESULTS):  # false after a target such as `models`
        subprocess.run([sys.executable, "-m", "pipeline_src", "report", "--experiment", EXPERIMENT], check=False)


def failed():
    """Print that the run stopped; after Ctrl-C, `interrupt` has done so."""
    if not INTERRUPTED.is_set():
        print("The run stopped; the same command resumes it.", file=sys.stderr)
