"""Averaged weights: networks of `evidence`, trained further and averaged over steps (docs/findings.md, "Leads").

snakemake --cores all --config experiment=evidence data_root=PATH -- models
snakemake --cores all --config experiment=development data_root=PATH -- data
ASLP_DOWNLOADS=PATH python benchmarks/leads/averaged.py baseline aslp_cl

The learning rate of these networks is constant, so that they can be trained further as they were. results/leads/
gets, of each method, the averaged network (model.safetensors), the one that was trained (latest.safetensors) and the
history. A run that was stopped goes on where it was; one that is whole is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
from mmengine.model import MomentumAnnealingEMA
from safetensors.torch import load_file
from torch import Tensor

from pipeline_src.data.store import Store
from pipeline_src.params.schema import Experiment
from pipeline_src.steps import networks
from pipeline_src.steps.build import chosen
from pipeline_src.training import exported, loop
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.loop import TrainedRun
from pipeline_src.training.method import Method

SEED = 0
FURTHER = 10  # epochs
WINDOW = 5  # epochs over which weights are averaged, about
RESULTS = Path("results/leads")


class Averaged(DenseClassifier):
    """A classifier that predicts with the exponential average of its weights, and running statistics, over steps.

    A method that looks at the validation images, as ASLP_CL does, sees the averaged network. Training itself is that
    of the weights of the last step.

    Args:
        steps: of an epoch.
        weights: to start from, by name.
    """

    def __init__(self, *args: Any, steps: int, weights: Mapping[str, Tensor]):
        super().__init__(*args)
        self.segmentor.load_state_dict(weights)
        # With gamma = 1 all weights so far count alike, until the window is full.
        self.average = MomentumAnnealingEMA(self.segmentor, 1 / (WINDOW * steps), gamma=1, update_buffers=True)

    def forward(self, inputs: Tensor, mode: str = "tensor", **batch: Any) -> Any:
        if mode == "loss":
            self.average.update_parameters(self.segmentor)  # after the step before this one
            return super().forward(inputs, mode, **batch)
        self._swap()
        try:
            return super().forward(inputs, mode, **batch)
        finally:
            self._swap()

    def _swap(self) -> None:
        self.segmentor, self.average.module = self.average.module, self.segmentor


def going_on(method: Method, run: Path) -> Method:
    """A method in the state in which a run of it ended: ASLP_CL's mark and alphas; others have none."""
    if not method.learns:
        return method
    mark = float(pd.read_csv(run / "history.csv")["mark"].iloc[-1])
    alphas = pd.read_csv(run / "alpha.csv", index_col="id").iloc[:, -1].to_numpy()

    class GoingOn(type(method)):
        def start(self, *args: Any) -> None:
            super().start(*args)
            self._mark, self._alphas = mark, alphas.copy()

    return GoingOn(**method.model_dump() | {"start_epoch": 1})


def trained(stores: Sequence[Store], settings: Experiment, method: Method, run: Path, work: Path) -> TrainedRun:
    """A finished run, gone on with averaged weights on the stores of training and validation images; `work` has its
    checkpoints."""
    steps = -(-len(stores[0]) // settings.training.batch_size)
    further = partial(Averaged, steps=steps, weights=load_file(run / "model.safetensors"))
    with patch.object(loop, "DenseClassifier", further):
        return loop.train(*stores, settings, going_on(method, run), SEED, work, "averaged")


def write(run: TrainedRun, folder: Path) -> None:
    """As every run, with the averaged network in the place of the other one."""
    run.write(folder)
    exported.write(folder / "latest.safetensors", run.model.segmentor, {})
    exported.write(folder / "model.safetensors", run.model.average.module, {})


def main(method: str) -> None:
    folder, work = RESULTS / method, RESULTS / f"{method}.new"
    if folder.exists():
        return
    job, of = chosen("evidence").job(f"train/{method}/seed{SEED}"), chosen("development")
    settings = networks.settings(job)
    settings = settings.model_copy(update={"training": settings.training.model_copy(update={"epochs": FURTHER})})
    stores = [Store.open(of.job(f"store/{part}").folder) for part in ("train", "val")]
    write(trained(stores, settings, job.parameters["method"], job.folder, work), work)
    for checkpoint in work.glob("epoch*.pt"):
        checkpoint.unlink()
    work.rename(folder)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        main(name)
