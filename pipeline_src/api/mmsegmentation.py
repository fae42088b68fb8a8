"""A metric, losses and a hook for configs of mmsegmentation: `DenseCalibrationMetric`, `SCBCE`,
`ASLP` and `ASLPHook`. A config registers them by importing this module:

custom_imports = dict(imports=["pipeline_src.api.mmsegmentation"], allow_failed_imports=False)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS, METRICS, MODELS
from mmengine.runner import Runner
from torch import Tensor

from pipeline_src.api import losses
from pipeline_src.api.batches import DEFAULT, batch_histogram, levels_of, values
from pipeline_src.counting.counts import Histogram
from pipeline_src.errors import UserError
from pipeline_src.labels import IGNORED


@METRICS.register_module()
class DenseCalibrationMetric(BaseMetric):
    """Calibration by mmsegmentation's own evaluation, at the original size of the masks.

    Its state is that of `DenseCalibration` and one image. The images that mmengine's sampler
    repeats to make processes even are left out, as `collect_results` leaves out theirs.

    Of several classes it takes the softmax of `seg_logits`. It refuses test-time augmentation, and
    decode heads whose outputs are no logits.

    Args:
        names: of docs/reference/metrics.md; those that need images one by one are refused.
        bins: equal-width and equal-mass bins, a divisor of 66,300.
        ignore: the label of pixels that never count.
        prefix: of the names in the log.
    """

    default_prefix = "calibration"

    def __init__(
        self,
        names: Sequence[str] = DEFAULT,
        bins: int = 10,
        ignore: int = IGNORED,
        prefix: str | None = None,
    ):
        super().__init__(prefix=prefix)
        self.levels = levels_of(names, bins)
        self.names = tuple(names)
        self.bins = bins
        self.ignore = ignore
        self._reset()

    def _reset(self) -> None:
        """Forget all images, as before an evaluation: the pixels so far, the last image, which is
        not counted yet, and the number of images.
        """
        self.histogram: Histogram | None = None
        self.last: tuple[Tensor, Tensor] | None = None
        self.seen = 0

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Count a batch of predictions, except for its last image, which may be a repeated one and
        is counted later.
        """
        for sample in data_samples:
            self._count_last()
            z = sample["seg_logits"]["data"]
            # Of one output channel mmsegmentation has taken the sigmoid already.
            if len(z) > 1:
                _check_logits(z, sample["pred_sem_seg"]["data"])
                z = z.float().softmax(0)
            self.last = z[None], sample["gt_sem_seg"]["data"]
            self.seen += 1

    def _count_last(self) -> None:
        """Count the image that was held back until it was known not to be a repeated one."""
        if self.last is not None:
            probabilities, masks = self.last
            counted = batch_histogram(probabilities, masks, self.ignore, self.levels, objects={})
            self.histogram = counted if self.histogram is None else self.histogram + counted
            self.last = None

    def evaluate(self, size: int) -> dict[str, float]:
        """Return the metrics of the `size` images of all processes."""
        # Process r of R is given the images r, r + R, ...: those from `size` on are repeated ones.
        if (self.seen - 1) * get_world_size() + get_rank() < size:
            self._count_last()
        gathered = [counted for counted in all_gather_object(self.histogram) if counted is not None]
        self._reset()
        if not gathered:
            raise UserError(
                "DenseCalibrationMetric has seen no image", fix="check the evaluation's dataloader"
            )
        numbers = values(sum(gathered[1:], gathered[0]), self.names, self.bins)
        return {f"{self.prefix}/{name}": number for name, number in numbers.items()}

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        """Raise an error: `evaluate` computes all metrics, and mmengine does not come here."""
        raise NotImplementedError


def _check_logits(z: Tensor, prediction: Tensor) -> None:
    """Raise a UserError unless the softmax of `seg_logits` belongs to a prediction.

    Args:
        z: (K, H, W) `seg_logits` of an image.
        prediction: (H, W) or (1, H, W) `pred_sem_seg`, the predicted class of each pixel.
    """
    # Test-time augmentation merges the predictions, and leaves the logits of its last view.
    predicted = z.gather(0, prediction.reshape(1, *z.shape[1:]))
    if not torch.allclose(predicted, z.amax(0, keepdim=True), equal_nan=True):
        raise UserError("seg_logits are not those of the prediction", fix="evaluate without --tta")
    # A sum over queries of a class's probability times a mask's may exceed 1 a little.
    if z.min() >= 0 and z.max() < 2:
        raise UserError(
            "seg_logits are scores, not logits, as those of Mask2Former and MaskFormer",
            found=f"values from {float(z.min()):g} to {float(z.max()):g}",
        )


@MODELS.register_module("SCBCE")
class SCBCEHeadLoss(losses.SCBCE):
    """`losses.SCBCE` in a decode head: `loss_decode=dict(type="SCBCE", alpha=0.05)`; `classes` for
    K classes.

    Args:
        loss_weight: factor of the loss.
        loss_name: under which it is logged; begins with `loss`.
        parameters: of the loss.
    """

    def __init__(
        self, loss_weight: float = 1.0, loss_name: str = "loss_perturbed", **parameters: Any
    ):
        super().__init__(**parameters)
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        # For ASLP, (B,) which training images this step has, set by `ASLPHook`; empty for SCBCE.
        self.index: tuple[Tensor, ...] = ()

    def forward(
        self,
        logits: Tensor,
        masks: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = IGNORED,
    ) -> Tensor:
        """Return the weighted loss of a batch, as a decode head calls it."""
        if weight is not None:
            raise UserError(
                "label perturbation has no weights of pixels",
                fix="leave out `sampler` in the decode head",
            )
        # mmsegmentation pads masks with `ignore_index`, so 255 never stands for the object.
        self.ignore = ignore_index
        self.ignore_given = True
        if isinstance(self, losses.ASLP) and not self.index:
            raise UserError(
                "loss_decode: ASLP is not told which images it sees",
                fix='add dict(type="ASLPHook")',
            )
        return self.loss_weight * super().forward(logits, masks, *self.index)


@MODELS.register_module("ASLP")
class ASLPHeadLoss(SCBCEHeadLoss, losses.ASLP):  # type: ignore[misc]
    """`losses.ASLP` in a decode head: `loss_decode=dict(type="ASLP", rule="mc")`, with an
    `ASLPHook`.
    """

    def __init__(self, images: int = 0, **parameters: Any):
        super().__init__(images=images, **parameters)

    def start(self, images: int) -> None:
        """Begin with one level for each of `images` training images, unless a checkpoint has set
        the levels.

        Raises:
            UserError: the checkpoint has levels of another number of images.
        """
        if not len(self.alphas):
            self.method.start(images, {}, self.classes)
        elif len(self.alphas) != images:
            raise UserError(
                "the checkpoint has levels of other training images",
                found=len(self.alphas),
                expected=images,
            )


@HOOKS.register_module()
class ASLPHook(Hook):
    """The hook that tells the losses `ASLP` of a model which training images a step has, and after
    each validation the accuracy. A validation counts as the end of an epoch.

    mmengine saves a checkpoint before it validates, so a resumed run goes on with the accuracy of
    the validation before the checkpoint.

    Args:
        prefix: of the `DenseCalibrationMetric` of the validation.
    """

    def __init__(self, prefix: str = "calibration"):
        self.prefix = prefix

    def before_train(self, runner: Runner) -> None:
        """Number the training images by their paths, and tell the losses how many there are."""
        dataset = runner.train_dataloader.dataset
        paths = dict.fromkeys(dataset.get_data_info(k)["img_path"] for k in range(len(dataset)))
        self.index = {path: k for k, path in enumerate(paths)}
        for loss in self._losses(runner):
            loss.start(len(paths))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Tell the losses the numbers of the training images in the next step."""
        index = torch.tensor([self.index[sample.img_path] for sample in data_batch["data_samples"]])
        for loss in self._losses(runner):
            loss.index = (index,)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Tell the losses the accuracy of a validation and its gap, mean confidence minus accuracy.

        Only losses with `rule="cl"` need the gap; without accuracy, a UserError is raised.
        """
        values = metrics or {}
        accuracy = values.get(f"{self.prefix}/accuracy")
        gap = values.get(f"{self.prefix}/gap")
        if accuracy is None:
            raise UserError(
                f"ASLPHook: the validation has no metric {self.prefix}/accuracy",
                found=", ".join(values) or "none",
                fix='val_evaluator = dict(type="DenseCalibrationMetric")',
            )
        for loss in self._losses(runner):
            loss.end_epoch(accuracy, gap)

    def _losses(self, runner: Runner) -> list[ASLPHeadLoss]:
        """Return the losses `ASLP` in the decode heads of the model."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        return [module for module in model.modules() if isinstance(module, ASLPHeadLoss)]
