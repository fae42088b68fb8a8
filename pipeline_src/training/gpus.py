"""Which GPUs of this machine a job has: the first that no other job has."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline_src.params.schema import Training

VISIBLE = "CUDA_VISIBLE_DEVICES"
log = logging.getLogger(__name__)


@contextmanager
def reserved(training: Training, number: int) -> Iterator[None]:
    """Inside, CUDA sees `number` GPUs that no other job of this user has here, until it is left or this process ends.

    All stay visible where `device` names one, where no more than `number` are, as in a job of a cluster, and where
    fewer are free: jobs share them then, since who lets more jobs run than there are GPUs wants that.
    """
    devices = _visible() if number and training.device in ("auto", "cuda") else []
    previous, mine = os.environ.get(VISIBLE), []
    with ExitStack() as held:
        if len(devices) > number:
            mine = _first_free(devices, number, held)
        if mine:
            os.environ[VISIBLE] = ",".join(mine)
            log.info("GPU %s of %d", ", ".join(mine), len(devices))
        try:
            yield
        finally:
            os.environ.pop(VISIBLE, None)
            os.environ.update({VISIBLE: previous} if previous is not None else {})


def _first_free(devices: list[str], number: int, held: ExitStack) -> list[str]:
    """The first so many devices that have no lock, now locked; none where fewer are free."""
    free, place = [], Path(tempfile.gettempdir())  # of this machine, whatever it shares with others
    with ExitStack() as taken:
        for device in devices:
            lock = FileLock(place / f"dense-calibration-{os.getuid()}-gpu-{device.replace('/', '_')}.lock")
            try:
                taken.enter_context(lock.acquire(timeout=0))
            except Timeout:
                continue
            free.append(device)
            if len(free) == number:
                held.enter_context(taken.pop_all())
                return free
    return []


def _visible() -> list[str]:
    """The devices that CUDA sees, by the names that `CUDA_VISIBLE_DEVICES` has for them."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get(VISIBLE)
    return [name.strip() for name in named.split(",")][:count] if named else [str(index) for index in range(count)]
