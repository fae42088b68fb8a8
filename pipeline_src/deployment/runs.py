"""Finished runs by their names, for what uses their networks outside of the workflow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipeline_src.errors import UserError, listed
from pipeline_src.params.load import read
from pipeline_src.pipeline import job_names, networks
from pipeline_src.pipeline.fingerprint import digest
from pipeline_src.pipeline.jobs import chosen
from pipeline_src.pipeline.runner import check_results

if TYPE_CHECKING:
    from pipeline_src.pipeline.experiment import ExperimentGraph
    from pipeline_src.pipeline.job import Job
    from pipeline_src.prediction.predict import Predictor

FORM = "EXPERIMENT/METHOD/seedN, as mini/aslp_cl/seed0, or METHOD/seedN of the experiment that params.yaml picks"


@dataclass(frozen=True)
class FinishedRun:
    """A run whose networks, and what was fitted to them, are there and current."""

    experiment: ExperimentGraph
    method: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.experiment.name}/{self.method}/seed{self.seed}"

    @property
    def evaluation(self) -> Job:
        """Its job on the validation images, which knows all that a prediction depends on."""
        return self.experiment.job(job_names.evaluation(self.method, self.seed, "val"))

    @property
    def made_of(self) -> list[Job]:
        """The jobs of its networks, and of what was fitted."""
        inputs = self.evaluation.inputs
        return [job for role, job in inputs.items() if role == "fit" or role.startswith("networks/")]

    @property
    def digest(self) -> str:
        """16 hex digits of the content that predictions depend on."""
        return digest([self.method, self.seed, [[job.fingerprint, job.content] for job in self.made_of]])

    def predictor(self) -> Predictor:
        """What predicts as it does in evaluation."""
        return networks.predictor(self.evaluation)


def find(run: str) -> FinishedRun:
    """The run of a name, such as `demo/aslp_cl/seed0`.

    Raises:
        UserError: the name is of no run, or the run is not finished and current.
    """
    parts = _parts(run)
    number = re.fullmatch(r"seed(\d+)", parts[-1]) if len(parts) in (2, 3) else None
    if number is None:
        raise UserError(f"--run {run} is not the name of a run", found=run, expected=FORM, fix="dense-calibration plan")
    method, seed = parts[-2], int(number[1])
    experiment = chosen(parts[0] if len(parts) == 3 else None)
    experiment.job(job_names.training(method, seed))  # UserError where there is none
    finished = FinishedRun(experiment, method, seed)
    if missing := [job.name for job in finished.made_of if not job.is_made]:
        raise UserError(
            f"the run {finished.name} is not finished, or not current",
            found=listed(missing),
            expected="results of today's parameters, data and code",
            fix=experiment.command,
        )
    check_results(finished.made_of, finished.evaluation.name, experiment.command)
    return finished


def _parts(run: str) -> list[str]:
    """Experiment, method and seed; the folder of a run names it too, and so does its job. Experiments and methods may
    have names of folders and jobs."""
    parts = [*PurePosixPath(run).parts]
    if len(parts) > 3 and parts[0] == "results":
        del parts[0]
    if len(parts) == 4 and parts[1] == "runs":
        del parts[1]
    if len(parts) == 3 and parts[0] == "train" and "train" not in read().experiments:
        del parts[0]
    return parts
