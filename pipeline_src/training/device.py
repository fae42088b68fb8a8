"""Device, threads, determinism and mixed precision of torch."""

from __future__ import annotations

import os

import cv2
import torch

from pipeline_src.errors import UserError
from pipeline_src.params.schema import Training

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def prepare_device(training: Training) -> torch.device:
    """Set threads and determinism for this process and return the device that `training.device` names.

    Raises:
        UserError: there is no such device, or it can't do the mixed precision.
    """
    torch.set_num_threads(training.threads)
    cv2.setNumThreads(training.threads)
    # Some CUDA kernels have no deterministic form: they warn instead of stopping a run.
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    name = training.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        index = int(name.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise UserError(
                f"training.device: this machine has no {name!r}",
                found=f"{torch.cuda.device_count()} CUDA devices",
                fix="set `device: auto`, or install a CUDA build of torch (README)",
            )
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("training.device: this machine has no 'mps'", fix="set `device: auto`")
    if "LOCAL_RANK" in os.environ and not torch.distributed.is_initialized():
        # Before mmengine does: it needs a GPU on every rank.
        torch.distributed.init_process_group("nccl" if name.startswith("cuda") else "gloo")
        if name.startswith("cuda"):
            name = f"cuda:{os.environ['LOCAL_RANK']}"
            torch.cuda.set_device(name)
    if name == "cpu" and training.amp == "fp16":
        raise UserError("training.amp: fp16 needs a GPU", found="device cpu", expected="off or bf16 on a CPU")
    return torch.device(name)


def autocast(device: torch.device, amp: str) -> torch.autocast:
    """Mixed precision `amp` (off, bf16, fp16) for what is computed inside."""
    return torch.autocast(device.type, dtype=DTYPES.get(amp), enabled=amp != "off")
