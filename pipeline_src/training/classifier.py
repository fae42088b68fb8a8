"""The network of an experiment: a segmentor of mmsegmentation between uint8 images and logits."""

from __future__ import annotations

import os

import cv2
import torch
from torch import Tensor, nn

from pipeline_src.errors import UserError
from pipeline_src.params.schema import Experiment, Training
from pipeline_src.training.models.build import build_segmentor, normalization


class DenseClassifier(nn.Module):
    """A segmentor that standardizes its images by the mean and standard deviation of the config.

    Torch's global generator draws the initial weights: seed it before.

    Args:
        config: a name of `config.model_names()`.
        classes: K; one logit a pixel for 2, else K.
        pretrained: whether to load the weights that the config names.
        amp: mixed precision of the network (off or bf16); loss and probabilities are always
            float32.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: str, classes: int = 2, pretrained: bool = False, amp: str = "off"):
        """Build the segmentor, and store the mean and standard deviation of its input channels."""
        super().__init__()
        segmentor = build_segmentor(config, pretrained, classes)
        self.segmentor = segmentor.to(memory_format=torch.channels_last)
        self.classes = classes
        self.amp = amp
        # Buffers move with the network to a device; files of weights leave out what the config has.
        for name, values in zip(("mean", "std"), normalization(config), strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images (B, 3, S, S) uint8, at the resolution of the decode head.

        Their shape is (B, C, h, w): C = 1 for two classes, else K.
        """
        x = self.standardized(images)
        with self._autocast():
            z: Tensor = self.segmentor(x, mode="tensor")
            return z

    def standardized(self, images: Tensor) -> Tensor:
        """Return images (B, 3, S, S) uint8 of any device as the segmentor's input.

        It is (images - mean) / std per channel, float32 on the network's device.
        """
        x = images.to(self.mean.device).to(torch.float32, memory_format=torch.channels_last)
        return (x - self.mean) / self.std

    def weighted_logits(self, x: Tensor) -> list[tuple[Tensor, float]]:
        """Return the logits of each head with its weight in the loss.

        The decode head comes first and has weight 1. Auxiliary heads exist for training only; their
        weights are relative to the weight of the decode head in the config.

        Args:
            x: standardized images (B, 3, S, S).
        """
        main = self.segmentor.decode_head
        auxiliary = getattr(self.segmentor, "auxiliary_head", nn.ModuleList())
        if not isinstance(auxiliary, nn.ModuleList):
            auxiliary = [auxiliary]
        with self._autocast():
            features = self.segmentor.extract_feat(x)
            return [
                (head(features), head.loss_decode.loss_weight / main.loss_decode.loss_weight)
                for head in [main, *auxiliary]
            ]

    def _autocast(self) -> torch.autocast:
        """Return the context in which the network computes in bfloat16 if `amp` asks for it."""
        return torch.autocast(self.mean.device.type, torch.bfloat16, enabled=self.amp == "bf16")


def build_classifier(experiment: Experiment, classes: int, pretrained: bool) -> DenseClassifier:
    """Return the experiment's network for K classes, on the device that its settings name.

    Args:
        pretrained: whether to start from the weights that the model's config names.
    """
    training = experiment.training
    network = DenseClassifier(
        experiment.model.config, classes=classes, pretrained=pretrained, amp=training.amp
    )
    return network.to(prepare_device(training))


def prepare_device(training: Training) -> torch.device:
    """Return the device that `training.device` names; set threads, determinism and precision.

    These are settings of the whole process. On CUDA, matrix products have full float32 precision.
    Convolutions round their inputs to TF32, which is the default of torch.

    Raises:
        UserError: there is no such device.
    """
    torch.set_num_threads(training.threads)
    cv2.setNumThreads(training.threads)
    # Some CUDA kernels have no deterministic form: they warn instead of stopping a run.
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Determinism would also fill each new tensor with NaN, a fifth of a step on a CPU. It guards
    # against reads of uninitialized memory; results are the same bits without it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False  # timings would choose the algorithms
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for deterministic matrix products
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = True
    if training.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(training.device)
    # A device without a number, such as `cuda`, is the first of its type.
    gpus = torch.cuda.device_count()
    available = {"cpu": 1, "cuda": gpus, "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= available[device.type]:
        raise UserError(
            f"training.device: this machine has no {training.device!r}",
            found=f"{gpus} CUDA devices",
            fix="set `device: auto`, or install a CUDA build of torch (docs/getting-started.md)",
        )
    return device
