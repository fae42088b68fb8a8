# All logic of the rules. Outputs are stamps named by the contract of the job that makes them, and inputs are `ancient`:
# whether a result is current is decided by contracts alone, never by file times or Snakemake's own records (docs/workflow.md).

import os
import subprocess
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The code beside this workflow, wherever the installed package points to: contracts and verbs must speak of the same code.
sys.path.insert(0, str(Path(workflow.basedir).parent))

from pipeline_src.steps import verbs
from pipeline_src.errors import UserError, did_you_mean
from pipeline_src.figures import catalogue
from pipeline_src.steps.graph import graph as build_graph
from pipeline_src.params.load import read

KEYS = ("experiment", "data_root")

for key in config:
    if key not in KEYS:
        hint = did_you_mean(key, KEYS) or "everything else is set in params.yaml"
        raise WorkflowError(f"--config {key}: no such key ({', '.join(KEYS)}); {hint}")
if config.get("data_root"):
    os.environ.update(ASLP_DOWNLOADS=str(config["data_root"]))

try:
    GRAPH = build_graph(read(), config.get("experiment"))
    CONTRACTS = {name: job.contract for name, job in GRAPH.jobs.items()}
except UserError as error:
    raise WorkflowError(str(error)) from None

EXPERIMENT = GRAPH.name
TRAINING = GRAPH.experiment.training

# The Python that runs Snakemake also runs the verbs, unless a software environment is activated for them.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))

# Results that people open; each is also a target of its own, e.g. `snakemake --cores all results/demo/tables/main.csv`.
TABLES = [str(GRAPH.job("tables").folder / name) for name in verbs.table_files(GRAPH)]
FIGURES = [str(GRAPH.job("figures").folder / name) for name in verbs.figure_files(GRAPH)]
CLAIMS = [str(GRAPH.job("claims").folder / name) for name in verbs.CLAIM_FILES]
REPORT = str(GRAPH.results / "report.html")


wildcard_constraints:
    contract="[0-9a-f]{16}",
    set="[^/]+",
    part="[^/]+",
    method="[^/]+",
    seed="[0-9]+",


def stamps(*kinds):
    """The stamps of all jobs of some kinds."""
    return [str(job.stamp) for job in GRAPH.of_kinds(*kinds)]


def outdated(name):
    """An input newer than all results, where the stamp of job `name` is not current; else none.

    Snakemake looks at the stamp behind a requested file only if something else makes it run the file's rule. This does, so
    that `snakemake results/demo/tables/main.csv` never takes an outdated table for the one it is asked for.
    """
    if GRAPH.job(name).current:
        return []
    marker = Path(".snakemake/outdated", EXPERIMENT, name)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(str(time.time_ns()))
    return [str(marker)]


def missing_files():
    """Files that somebody removed from results whose stamps are current: Snakemake is to make them again."""
    files = {"tables": TABLES, "figures": FIGURES, "claims": CLAIMS, "report": [REPORT]}
    return [file for name, of in files.items() if GRAPH.job(name).current for file in of if not os.path.exists(file)]


def shown(path, caption, category, subcategory=None, **labels):
    """A result as `snakemake --report` lists it."""
    caption = f"../report/{caption}.rst"
    return report(path, caption=caption, category=category, subcategory=subcategory, labels=labels)


def shown_tables():
    names = {path: Path(path).name.split(".") for path in TABLES}
    return [shown(path, "table", "Tables", table=name, format=suffix) for path, (name, suffix) in names.items()]


def shown_figures():
    """Those in SVG; the other formats show the same and would make the report many times as large."""
    folder, kinds = GRAPH.job("figures").folder, catalogue.KINDS
    svg = {str(folder / f"{picture.name}.svg"): picture for picture in catalogue.pictures(verbs.figure_facts(GRAPH))}
    about = {
        path: {"figure": p.title, "data set": p.part, "protocol": p.protocol, "method": p.method} for path, p in svg.items()
    }
    drawings = [shown(path, "figure", "Figures", kinds[svg[path].kind].heading, **about[path]) for path in svg]
    return [*drawings, *(path for path in FIGURES if path not in svg)]


def inputs_of(pattern):
    """An input function: the stamps that the job named by `pattern` (filled with the wildcards) reads."""

    def inputs(wildcards):
        job = GRAPH.job(pattern.format(**wildcards))
        if wildcards.contract != job.contract:
            raise WorkflowError(f"{job.name} has the contract {job.contract} with these parameters, data and code")
        return [str(needed.stamp) for needed in job.inputs]

    return inputs


def stamps_read(job_name):
    """The stamps that a job without wildcards reads."""
    return [str(needed.stamp) for needed in GRAPH.job(job_name).inputs]


def call(verb, options=""):
    """The shell command of a verb."""
    return f"python -m pipeline_src {verb} {options} --experiment {EXPERIMENT} --log {{log}}"


def started():
    print(f"Experiment {EXPERIMENT}: {len(GRAPH.runs)} runs. Results come to {GRAPH.results}/.", file=sys.stderr, flush=True)


def finished():
    subprocess.run([sys.executable, "-m", "pipeline_src", "finish", "--experiment", EXPERIMENT], check=False)


def failed(log_file):
    print(
        f"The run stopped. What went wrong stands above and in {GRAPH.results}/logs/; the same command goes on from here.",
        file=sys.stderr,
    )
