"""What the profile for other clusters says of a job, from SLURM's answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "workflow/profiles/cluster-generic/status.sh"


@pytest.mark.parametrize(
    ("sacct", "scontrol", "expected"),
    [
        ("COMPLETED|", "", "success"),
        ("FAILED|", "", "failed"),
        ("", "JobId=7 JobName=train JobState=COMPLETED Reason=None", "success"),
        ("", "JobId=7 JobName=train JobState=STAGE_OUT Reason=None", "running"),
        ("", "JobId=7 JobName=train JobState=TIMEOUT Reason=TimeLimit", "failed"),
        ("", "slurm_load_jobs error: Invalid job id specified", "failed"),  # forgotten: it would be waited for for ever
        ("", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)", "running"),
        ("", "", "running"),
    ],
)
def test_of_each_answer(tmp_path, sacct, scontrol, expected):
    for name, answer in (("sacct", sacct), ("scontrol", scontrol)):
        command = tmp_path / name
        command.write_text(f'#!/bin/sh\necho "{answer.removesuffix("|")}"\n')
        command.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["bash", SCRIPT, "7"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{expected}\n"
