"""A page of docs/ followed as its reader follows it: block by block, in a project of its own.

    yaml     is laid over params.yaml
    python   is written to the file that its first line names (`# my_net.py`), or run where that names none
    sh       is called, a line at a time

Other languages show output, and a fence with a further word (```sh skip) is only shown.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from project import ROOT, call, copy, draw_quickly
from snakemake.cli import get_argument_parser, parse_config

from pipeline_src.cli.main import app
from pipeline_src.params.load import merge, read
from pipeline_src.pipeline.fingerprint import forget_code
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.jobs import build
from pipeline_src.pipeline.runner import run_job


def follow(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Follow `page` in `folder`, which becomes the working folder; all that it tells to do must succeed."""
    copy(folder)
    draw_quickly(monkeypatch)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)  # as `python -m` has it
    for language, text in blocks((ROOT / page).read_text(encoding="utf-8")):
        if language == "yaml":
            params = folder / "params.yaml"
            params.write_text(yaml.safe_dump(merge(yaml.safe_load(params.read_text()), yaml.safe_load(text))))
        elif language == "python":
            name = re.match(r"# (\S+\.py)\n", text)
            code = folder / (name[1] if name else "block.py")
            code.parent.mkdir(parents=True, exist_ok=True)
            code.write_text(text)
            if not name:
                call(folder, "python", code.name)
        elif language == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                command(folder, shlex.split(line, comments=True))


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(language, content) of the fenced blocks of a page, without those that are only shown."""
    return ((found[1], found[2]) for found in re.finditer(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


def command(folder: Path, words: list[str]) -> None:
    """A line of a shell. Ours run in this process, since importing torch and mmseg anew takes seconds; so do the jobs
    that Snakemake would run (that it does is tested in tests/workflow)."""
    if words[:1] == ["dense-calibration"]:
        app(words[1:], standalone_mode=False)
    elif words[:1] == ["snakemake"]:
        options = get_argument_parser().parse_args(words[1:])
        # Of all words after --config, up to the next option: a target among them is refused, as Snakemake does.
        name = parse_config(options.config or []).get("experiment")
        forget_code()  # files were written since
        jobs = list(build(read(), name).jobs.values())
        made = {str(path): job for job in jobs for path in job.links}
        if unknown := set(options.targets) - set(made):
            raise ValueError(f"{unknown} are no files that a rule of Snakemake makes")
        if options.targets:
            wanted = set().union(*(behind(made[target]) for target in options.targets))
            jobs = [job for job in jobs if job.name in wanted]
        for job in jobs:
            run_job(job)
    elif words:
        call(folder, *words)


def behind(job: Job) -> set[str]:
    """The names of a job and of all that it needs."""
    return {job.name}.union(*(behind(of) for of in job.inputs.values()))
