"""The reservation of a GPU for a job, so jobs that run in parallel do not share one.

A lock file per GPU marks it as taken. The choice of the GPU changes no result.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline_src.errors import UserError
from pipeline_src.params.schema import Training

VISIBLE = "CUDA_VISIBLE_DEVICES"  # environment variable with the GPUs that a process may use
log = logging.getLogger(__name__)


@contextmanager
def reserved_gpu(training: Training) -> Iterator[None]:
    """Yield while CUDA sees one GPU that no other job of this user has on this machine.

    All GPUs stay visible if the settings reserve none or name one, and if no GPU is free: jobs then
    share them.

    Raises:
        UserError: the settings reserve a GPU, and this machine has none that works.
    """
    # A device such as cuda:1 is already one GPU.
    if not training.gpus or training.device not in ("auto", "cuda"):
        yield
        return
    visible = os.environ.get(VISIBLE)
    with ExitStack() as lock:
        _reserve_first_free(lock)
        try:
            check_gpu()
            yield
        finally:
            os.environ.pop(VISIBLE, None)
            if visible is not None:
                os.environ[VISIBLE] = visible


def _reserve_first_free(lock: ExitStack) -> None:
    """Enter the lock of the first GPU that no job holds, and let CUDA see only this GPU.

    If every GPU is taken, nothing changes.

    Args:
        lock: is given the lock of the GPU, and releases it when it closes.
    """
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get(VISIBLE) or ",".join(map(str, range(count)))
    # The variable may name more devices than there are.
    devices = [name.strip() for name in visible.split(",")][:count]
    for device in devices:
        name = f"dense-calibration-{os.getuid()}-gpu-{device.replace('/', '_')}.lock"
        with suppress(Timeout):  # another job holds it
            lock.enter_context(FileLock(Path(tempfile.gettempdir(), name), timeout=0))
            os.environ[VISIBLE] = device
            log.info("GPU %s of %d", device, len(devices))
            return


def check_gpu() -> None:
    """Raise a UserError if the GPU cannot compute: training would take weeks on the CPU."""
    import torch

    try:
        torch.ones(2, device="cuda").sum().item()
    except (AssertionError, RuntimeError) as error:  # torch without CUDA; no GPU or driver
        raise UserError(
            "training.gpus is 1, and no GPU works here",
            found=str(error).partition("\n")[0],
            expected=f"a GPU that torch {torch.__version__} can use",
            fix="install a CUDA build of torch (docs/getting-started.md), or set `device: cpu`",
        ) from error
