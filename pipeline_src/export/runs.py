"""Finished runs of experiments, found by their names, for predictions and exports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline_src.errors import UserError, listed
from pipeline_src.pipeline.experiment import ExperimentGraph
from pipeline_src.pipeline.fingerprint import digest
from pipeline_src.pipeline.graph import chosen
from pipeline_src.pipeline.job import Job
from pipeline_src.pipeline.runner import check_results
from pipeline_src.pipeline.steps.networks import load_predictor
from pipeline_src.prediction.predict import Predictor

# A run's folder in results/ or its name. Groups: the experiment (in either form), method and seed.
NAME = re.compile(r"(?:results/([^/]+)/runs/|([^/]+)/)?([^/]+)/seed(\d+)")


@dataclass(frozen=True)
class FinishedRun:
    """A run whose networks and fitted values are present and current.

    Attributes:
        experiment: the experiment, with the jobs of all its runs.
        method: name of the run's method in the experiment.
    """

    experiment: ExperimentGraph
    method: str
    seed: int

    @property
    def name(self) -> str:
        """The name of the run, such as `demo/aslp_cl/seed0`."""
        return f"{self.experiment.name}/{self.method}/seed{self.seed}"

    @property
    def evaluation(self) -> Job:
        """The job that evaluates the run.

        Its inputs and parameters are all that a prediction needs.
        """
        return self.experiment.evaluation(self.method, self.seed)

    @property
    def jobs(self) -> list[Job]:
        """The jobs that trained the networks and fitted the post-hoc method.

        They are inputs of the evaluation, among others such as its images.
        """
        inputs = self.evaluation.inputs
        return [
            job for role, job in inputs.items() if role == "fit" or role.startswith("networks/")
        ]

    @property
    def digest(self) -> str:
        """A digest of 16 hex digits of all files that the run's predictions depend on."""
        contents = [[job.fingerprint, job.content_of()] for job in self.jobs]
        return digest([self.method, self.seed, contents])

    def predictor(self) -> Predictor:
        """Return the networks and the post-hoc method, loaded as the evaluation job loads them."""
        return load_predictor(self.evaluation)


def find(run: str) -> FinishedRun:
    """Return a finished run by its name (`demo/aslp_cl/seed0`), or its folder in results/.

    Raises:
        UserError: there is no run of that name, or it is not finished and current.
    """
    match = NAME.fullmatch(str(PurePosixPath(run)))
    if match is None:
        raise UserError(
            f"--run {run} is not the name of a run",
            expected="EXPERIMENT/METHOD/seedN, as mini/aslp_cl/seed0, "
            "or METHOD/seedN of the experiment that params.yaml picks",
            fix="dense-calibration plan",
        )
    method = match[3]
    seed = int(match[4])
    experiment = chosen(match[1] or match[2])  # without either, the one that params.yaml picks
    experiment.run(method, seed)  # UserError if there is none
    finished = FinishedRun(experiment, method, seed)
    missing = [job.name for job in finished.jobs if not job.is_made]
    if missing:
        raise UserError(
            f"the run {finished.name} is not finished, or not current",
            found=listed(missing),
            expected="results of today's parameters, data and code",
            fix=experiment.command,
        )
    # A UserError if a file of the results is missing or damaged.
    check_results(finished.jobs, finished.evaluation.name, experiment.command)
    return finished
