"""How to share cores among trainings: python benchmarks/threads.py [EXPERIMENT] [--cores 2]

Each split of the cores, such as one job of two threads or two jobs of one, trains the network of an experiment for a
while, in turns; what counts is the images per second of all its jobs together. Jobs run the bare loop of
training_loop.py. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from training_loop import bare

from pipeline_src.params.load import read, resolve

ROUNDS = 3  # of a job, of which the first warms up


def rate(experiment: str, threads: int, steps: int) -> float:
    """Images per second of one job with so many threads."""
    _, of = resolve(read(), experiment)
    training = of.training.model_copy(update={"threads": threads})
    step, rates = bare(of.model_copy(update={"training": training})), []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(steps):
            next(step)
        rates.append(steps * training.batch_size / (time.perf_counter() - start))
    return statistics.median(rates[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?", default="mini")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20, help="steps of a round")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    splits = [jobs for jobs in range(1, arguments.cores + 1) if arguments.cores % jobs == 0]
    rates: dict[int, list[float]] = {jobs: [] for jobs in splits}
    for _ in range(arguments.turns):
        for jobs in splits:
            with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
                threads = arguments.cores // jobs
                started = [pool.submit(rate, arguments.experiment, threads, arguments.steps) for _ in range(jobs)]
                rates[jobs].append(sum(job.result() for job in started))
    for jobs, values in rates.items():
        median, spread = statistics.median(values), f"{min(values):.1f} to {max(values):.1f}"
        print(f"{jobs} job(s) of {arguments.cores // jobs} thread(s): {median:.1f} images/s ({spread})")
    ratios = [most / one for one, most in zip(rates[1], rates[splits[-1]], strict=True)]
    median, spread = statistics.median(ratios), f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"jobs of one thread / one job of all threads: {median:.2f} ({spread})")


if __name__ == "__main__":
    main()
