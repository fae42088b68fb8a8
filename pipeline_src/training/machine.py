"""What a job takes of this machine: GPUs, processes and memory. Nothing here changes a result."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.params.schema import Training

VISIBLE = "CUDA_VISIBLE_DEVICES"
ERROR_FILE = ".error.txt"
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
log = logging.getLogger(__name__)


def check_gpus(training: Training) -> None:
    """Raise a UserError if a run asks for more GPUs than the machine has; `device: cpu` trains without them."""
    import torch

    count = torch.cuda.device_count()
    if training.gpus > max(1, count) and training.device != "cpu":
        raise UserError(
            f"training.gpus: this machine has no {training.gpus} GPUs",
            found=f"{count} CUDA devices",
            expected=f"{training.gpus} or more",
            fix="start the command where they are, or set `gpus: 0`",
        )


@contextmanager
def reserved_gpus(training: Training, number: int) -> Iterator[None]:
    """Inside, CUDA sees `number` GPUs that no other job of this user has on this machine.

    All GPUs stay visible if `device` names one, if there are no more than `number`, and if fewer are free: jobs then
    share them.
    """
    devices = _visible_gpus() if number and training.device in ("auto", "cuda") else []
    locks = _lock_first_free(devices, number) if len(devices) > number else {}
    previous = os.environ.get(VISIBLE)
    if locks:
        os.environ[VISIBLE] = ",".join(locks)
        log.info("GPU %s of %d", ", ".join(locks), len(devices))
    try:
        yield
    finally:
        for lock in locks.values():
            lock.release()
        os.environ.pop(VISIBLE, None)
        os.environ.update({VISIBLE: previous} if previous is not None else {})


def _lock_first_free(devices: list[str], number: int) -> dict[str, FileLock]:
    """The locks of the first `number` devices that no job holds, now held; none if fewer are free."""
    locks: dict[str, FileLock] = {}
    for device in devices:
        name = f"dense-calibration-{os.getuid()}-gpu-{device.replace('/', '_')}.lock"
        lock = FileLock(Path(tempfile.gettempdir(), name))
        with suppress(Timeout):
            lock.acquire(timeout=0)
            locks[device] = lock
        if len(locks) == number:
            return locks
    for lock in locks.values():
        lock.release()
    return {}


def _visible_gpus() -> list[str]:
    """The devices that CUDA sees, by their names in `CUDA_VISIBLE_DEVICES`."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get(VISIBLE)
    return [name.strip() for name in named.split(",")][:count] if named else [str(index) for index in range(count)]


def launch_ranks(command: list[str], ranks: int, folder: Path) -> None:
    """Run `command` of the command line as `ranks` processes that train together and write into `folder`. A UserError
    in one of them is raised here."""
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}", "-m", "pipeline_src"]
    done = subprocess.run([sys.executable, *start, *command, "--into", str(folder)], check=False)
    if (file := folder / ERROR_FILE).is_file():
        raise UserError(file.read_text(encoding="utf-8"))
    done.check_returncode()


def run_rank(work: Callable[[], None], folder: Path) -> None:
    """Call `work` as one of the processes of `launch_ranks`."""
    try:
        work()
    except UserError as error:
        write_text(folder / ERROR_FILE, str(error))
        raise


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, where its C library is glibc.

    Activations are freed at the end of a step. glibc returns them to the system, which clears the pages of the next
    step and costs time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)  # large blocks lie in the heap
        mallopt(M_TRIM_THRESHOLD, -1)  # whose end is never returned
