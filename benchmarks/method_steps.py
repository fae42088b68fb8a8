"""What each method adds to the training step of the baseline: python benchmarks/method_steps.py [METHOD...]

One network of an experiment of params.yaml makes a step with each method in turns (order reversed from round to round,
as a shared machine's speed drifts), on the same batch of noise: normalise, the method's inputs, targets and loss,
backward, Adam step, alphas. The learned levels are set so that perturbation happens. A figure is the median over the
rounds of a step's time over that of the baseline's of the same round. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from pipeline_src.counting.score_histogram import top_label
from pipeline_src.counting.statistic import TwoClassStatistic
from pipeline_src.params.load import read, resolve
from pipeline_src.training.classifier import DenseClassifier
from pipeline_src.training.device import prepare_device
from pipeline_src.training.method import Method, Validation
from pipeline_src.training.models.build import build_segmentor, normalisation
from pipeline_src.training.registry import choose, method_names

BASE = "baseline"


def step(model: DenseClassifier, method: Method, optimizer: torch.optim.Optimizer, batch: dict) -> float:
    """Seconds of one step."""
    model.method = method
    start = time.perf_counter()
    optimizer.zero_grad()
    model(**batch, mode="loss")["loss"].backward()
    optimizer.step()
    if model.image_statistic is not None:
        method.after_step(*model.image_statistic, 6)
    if model.mean.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", help="blocks of params.yaml or method files [default: all that train]")
    parser.add_argument("--experiment", default="mini")
    parser.add_argument("--rounds", type=int, default=25)
    arguments = parser.parse_args()
    params = read()
    name, experiment = resolve(params, arguments.experiment)
    settings, size = experiment.training, experiment.image_size
    names = arguments.methods or sorted({*params.methods, *method_names()})
    chosen = {m: choose(m, params.methods.get(m)).method for m in dict.fromkeys([BASE, *names])}
    methods = {m: method for m, method in chosen.items() if isinstance(method, Method)}

    device = prepare_device(settings)
    torch.manual_seed(0)
    segmentor = build_segmentor(experiment.model.network, experiment.model.pretrained, size)
    n = settings.batch_size
    ids = [f"noise/{i}" for i in range(n)]
    model = DenseClassifier(segmentor, normalisation(experiment.model.network), None, ids, 0, settings.amp).to(device)
    model.train()
    optimizer = torch.optim.Adam(segmentor.parameters(), 1e-6)
    batch = {
        "inputs": torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, device=device),
        "masks": 255 * torch.randint(0, 2, (n, 1, size, size), dtype=torch.uint8, device=device),
        "index": torch.arange(n),
        "epoch": torch.full((n,), 6),
    }
    rng, seen = np.random.default_rng(0), TwoClassStatistic.empty(quick=True)
    seen.add(rng.random((500, 500), np.float32), rng.integers(0, 2, (500, 500), np.uint8), "noise")
    histogram = top_label(seen.raw)
    for method in methods.values():
        method.start(n, {reference: [0.9] * 9 for reference in method.references()})
        method.after_validation(Validation(0.93, 0.95, histogram), 5)
        if method.learns:
            method._alphas = np.full(n, 0.1)
    for method in methods.values():  # a step to warm up
        step(model, method, optimizer, batch)
    seconds = {m: [] for m in methods}
    for k in range(arguments.rounds):
        for m in list(methods) if k % 2 else reversed(methods):
            seconds[m].append(step(model, methods[m], optimizer, batch))
    base = np.array(seconds[BASE])
    print(
        f"{name}: {experiment.model.network}, {size} px, batch {n}, {settings.threads} thread(s), {settings.device}, "
        f"amp {settings.amp}; baseline {np.median(base) * 1000:.0f} ms a step, {arguments.rounds} rounds"
    )
    for m, values in seconds.items():
        ratio = np.array(values) / base
        low, high = np.percentile(ratio, [25, 75])
        print(f"  {m:<20} {np.median(ratio) - 1:+7.1%}   (quartiles {low - 1:+.1%} to {high - 1:+.1%})")


if __name__ == "__main__":
    main()
