"""The rules of workflow/rules name the files that jobs read and write."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from project import call, copy

METHODS = ["baseline", "aslp_mc", "aslp_cl", "temperature", "temperature_averaged", "deep_ensemble"]
EXPANDED = """
import json
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.iocontainers import Wildcards
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings
from pipeline_src.params.load import read
from pipeline_src.pipeline.graph import build
graph = build(read())
jobs = {}
with SnakemakeApi(OutputSettings()) as api:
    settings = ResourceSettings(cores=1)
    rules = api.workflow(resource_settings=settings, snakefile=Path("workflow/Snakefile"))._workflow.rules
    rules = {rule.name.removeprefix("write_"): rule for rule in rules if "fingerprint" in rule.wildcard_names}
    for name, job in graph.jobs.items():
        wildcards = Wildcards(fromdict={"fingerprint": job.fingerprint})
        jobs[name] = {
            "written": [str(path) for path in job.paths],
            "folder": str(job.folder),
            "needed": [needed.name for needed in job.inputs.values()],
            "output": list(rules[job.kind].expand_output(wildcards)[0]),
            "input": list(rules[job.kind].expand_input(wildcards)[0]),
        }
print(json.dumps([jobs, list(rules)]))
"""


def test_each_rule_names_the_files_that_its_jobs_read_and_write(tmp_path):
    copy(tmp_path)
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    params["experiments"]["tiny"] |= {"methods": METHODS, "seeds": [0, 1]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    jobs, rules = json.loads(call(tmp_path, "python", "-c", EXPANDED).splitlines()[-1])
    assert {name.split("/")[0] for name in jobs} == {*rules}
    for name, job in jobs.items():
        # Methods that learn no levels write no alpha.csv, and outputs of a rule are the same for all its jobs.
        written = {file for file in job["written"] if Path(file).name != "alpha.csv"}
        assert {*job["output"]} == written | {f"{job['folder']}/manifest.json"}, name
        folders = {jobs[needed]["folder"] for needed in job["needed"]}
        assert {str(Path(file).parent) for file in job["input"]} == folders, name
        assert {*job["input"]} <= {file for needed in job["needed"] for file in jobs[needed]["output"]}, name
