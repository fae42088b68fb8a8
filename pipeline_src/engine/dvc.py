"""Tell DVC that stages are finished, so that `dvc status` is clean after a plain Snakemake run."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline_src.params.load import read
from pipeline_src.steps.experiment import Graph
from pipeline_src.steps.graph import STAGES

log = logging.getLogger(__name__)


def record(graph: Graph) -> None:
    """`dvc commit` the stages whose results are all current; nothing inside `dvc repro`, which does it itself.

    A tree without git or DVC is fine: what DVC would need is said in a line.
    """
    if os.environ.get("DVC_STAGE") or not Path(".dvc").is_dir():
        return
    if shutil.which("git") is None or subprocess.run(["git", "rev-parse"], capture_output=True, check=False).returncode:
        log.info("DVC has not recorded this run: it needs a git repository (`git init` makes one).")
        return
    picked = read().experiment
    if picked != graph.name:
        log.info(
            "DVC follows the experiment that params.yaml picks (%s); set `experiment: %s` there to record it.",
            picked,
            graph.name,
        )
        return
    from pipeline_src.steps.verbs import contracts

    contracts(graph)
    done = [
        f"{stage}@{graph.name}" for stage, kinds in STAGES.items() if all(job.current for job in graph.of_kinds(*kinds))
    ]
    command = [sys.executable, "-m", "dvc", "commit", "--force", f"contracts@{graph.name}", *done]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        log.warning("DVC could not record this run: %s", (result.stderr or result.stdout).strip())
