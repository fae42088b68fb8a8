"""Label perturbation as losses for any training loop (docs/theory.md): SC-BCE with a fixed level,
and ASLP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank
from torch import Tensor, nn

from pipeline_src.errors import UserError, check_name
from pipeline_src.labels import IGNORED
from pipeline_src.training.method import Batch, Method, MethodEntry, Validation
from pipeline_src.training.methods.slp import SLP
from pipeline_src.training.pixels import class_logits, class_planes
from pipeline_src.training.registry import method_class
from pipeline_src.validation import validate

RULES = ("mc", "mei", "cl")  # of ASLP, the methods `aslp_mc`, `aslp_mei` and `aslp_cl`


class SCBCE(nn.Module):
    """Self-calibrating cross entropy with a fixed level (SLP): in a step an image's whole label is
    perturbed with probability `alpha`, with strength `beta`. SC-BCE for one logit, SC-CE for K
    classes.

    Draws come from torch's global generator: `torch.manual_seed` repeats them.

    Args:
        alpha: probability that an image is perturbed; below 1 / (2 beta).
        beta: 1 inverts its label, 0.5 makes it uniform.
        classes: K; 2 for one logit a pixel.
        ignore: the label of pixels that never count. Without one it is 255, and for two classes a
            batch without any 1 that has it is refused: its 255 is more often the object.
        parameters: others of `slp` in docs/reference/params.md, such as `noise`.
    """

    def __init__(
        self,
        alpha: float = 0.05,
        beta: float = 1.0,
        classes: int = 2,
        ignore: int | None = None,
        **parameters: Any,
    ):
        super().__init__()
        self._set_method(SLP, {"alpha": alpha, "beta": beta} | parameters, 1, classes, ignore)

    def _set_method(
        self,
        kind: type[MethodEntry],
        parameters: dict[str, Any],
        images: int,
        classes: int,
        ignore: int | None,
    ) -> None:
        """Create the method of the loss from its parameters.

        Args:
            kind: the class of the method.
            images: the number of images with a level of their own; 1 for one level for all.
            classes, ignore: as of the loss.

        Raises:
            UserError: a parameter is unknown or has a wrong value, or is a reading of the paper
                that needs the accuracies of a trained baseline.
        """
        method = validate(kind, parameters, type(self).__name__)
        assert isinstance(method, Method)
        if method.references():
            raise UserError(
                f"{type(self).__name__}: a loss has no accuracies of a baseline's training",
                fix="choose another theta_lm, such as 'best_so_far'",
            )
        method.start(images, references={}, classes=classes)
        self.method = method
        self.classes = classes
        self.ignore = IGNORED if ignore is None else ignore
        self.ignore_given = ignore is not None

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            logits: (B, H, W) or (B, 1, H, W), or (B, K, H, W).
            masks: (B, H, W) or (B, 1, H, W): 0 and 1, or class ids, and `ignore`.
        """
        z, y = self._planes(logits, masks)
        return self._loss(z, y, np.zeros(len(z), np.int64))

    def _loss(self, z: Tensor, y: Tensor, index: np.ndarray) -> Tensor:
        """Return the loss against labels that are perturbed with the alphas of the images.

        Args:
            index: (B,) the positions of the images among all alphas.
        """
        seed = int(torch.randint(2**62, ()))
        # Draws depend on seed and ids. Processes may share a seed and must not share draws.
        ids = [f"{get_rank()}/{k}" for k in range(len(z))]
        batch = Batch(index, ids, seed, epoch=0)  # each call has a seed of its own
        return self.method.loss(z, self.method.targets(y, batch))

    def _planes(self, logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and labels in the form of `training.pixels`, after checks of both.

        Returns:
            (B, 1, H, W) logits and labels 0 and 1 of two classes, if no pixel is ignored;
            otherwise logits (B, K, H, W) and the label's probability of each class, all 0 where a
            pixel is ignored.

        Raises:
            UserError: shapes or labels do not fit.
        """
        z = (logits[:, None] if logits.ndim == 3 else logits).float()
        y = masks[:, None] if masks.ndim == 3 else masks
        fits = z.ndim == 4 and z.numel() > 0 and y.shape == z[:, :1].shape
        if not fits or max(2, z.shape[1]) != self.classes:
            raise UserError(
                "logits and masks do not fit",
                found=f"shapes {tuple(logits.shape)} and {tuple(masks.shape)}, "
                f"classes={self.classes}",
                expected="(B, 1, H, W) for two classes or (B, K, H, W), and (B, H, W)",
            )
        ignored = y == self.ignore
        y = y.long()
        known = (y >= 0) & (y < self.classes) | ignored
        if not (known & (y == masks.reshape(y.shape))).all():
            raise UserError(
                "masks have unknown labels",
                found=torch.unique(masks)[:10].tolist(),
                expected=f"whole numbers from 0 to {self.classes - 1}, and {self.ignore} for "
                "pixels that never count",
            )
        some = bool(ignored.any())
        if some and not self.ignore_given and self.classes == 2 and not (y == 1).any():
            raise UserError(  # as `counting.sample.checked` does
                "the masks have no foreground, and 255 may be it",
                expected="1 for foreground, and 255 for pixels that are ignored",
                fix="masks > 127 if 255 is the foreground; ignore=255 if it is not: "
                f"{type(self).__name__}(..., ignore=255)",
            )
        if z.shape[1] == 1 and not some:
            return z, y.to(z.dtype)
        # One plane of labels 0 and 1 cannot say that a pixel never counts; planes of classes can.
        return class_logits(z), class_planes(torch.where(ignored, self.classes, y), self.classes)


class ASLP(SCBCE):
    """Adaptive stochastic label perturbation: one level `alpha` per training image, learned as
    training goes.

    Call it with the images' indices, and `end_epoch` with the validation accuracy. Levels are part
    of `state_dict`. Under torch.distributed all processes make all updates: their levels agree.

    Args:
        images: number of training images; that of a checkpoint has to be the same.
        rule: `mc` (model calibration), `mei` (maximum entropy inference) or `cl` (closed loop;
            ours, not the paper's).
        classes, ignore: as in `SCBCE`.
        parameters: of `aslp_mc`, `aslp_mei` or `aslp_cl` in docs/reference/params.md: `beta`,
            `eta`, `lam`, ...
    """

    def __init__(
        self,
        images: int,
        rule: Literal["mc", "mei", "cl"] = "mc",
        classes: int = 2,
        ignore: int | None = None,
        **parameters: Any,
    ):
        nn.Module.__init__(self)
        check_name(rule, RULES, "ASLP: there is no such rule", found=repr(rule))
        self._set_method(method_class(f"aslp_{rule}"), parameters, images, classes, ignore)
        self.rule = rule
        self.epoch = 1

    @property
    def alphas(self) -> np.ndarray:
        """The level of each training image, (N,) float64."""
        alphas = self.method.alphas
        assert alphas is not None
        return alphas

    def forward(  # type: ignore[override]
        self, logits: Tensor, masks: Tensor, index: Tensor | Sequence[int]
    ) -> Tensor:
        """Return the loss, a scalar; in training mode the levels of the images then follow these
        logits.

        Args:
            logits, masks: as in `SCBCE`.
            index: (B,) which of the training images these are, from 0.
        """
        indices = torch.as_tensor(index).cpu().numpy()
        integral = indices.dtype.kind in "iu" and indices.shape == (len(logits),)
        if not integral or not ((indices >= 0) & (indices < len(self.alphas))).all():
            raise UserError(
                "index does not name training images",
                found=indices.tolist(),
                expected=f"{len(logits)} numbers from 0 to {len(self.alphas) - 1}",
            )
        z, y = self._planes(logits, masks)
        loss = self._loss(z, y, indices)
        if self.training:
            margins = self.method.image_statistic(z, y)  # (B,), from which levels are updated
            assert margins is not None
            # Each process makes the updates of all processes.
            own = margins.cpu().double().numpy(), indices
            for of_process, images in all_gather_object(own):
                self.method.after_step(of_process, images, self.epoch)
        return loss

    def end_epoch(self, accuracy: float, gap: float | None = None) -> None:
        """Update the rule after an epoch's validation.

        Args:
            accuracy: share of validation pixels whose predicted class is their label.
            gap: the mean confidence of the pixels minus `accuracy`, which `rule="cl"` needs.
        """
        needed = gap if self.rule == "cl" else 0.0
        if needed is None or not (0 <= accuracy <= 1 and -1 <= needed <= 1):  # NaN too
            raise UserError(
                "end_epoch: accuracy or gap is not a fraction, or rule='cl' has no gap",
                found=f"accuracy={float(accuracy)}, gap={gap}",
                expected="accuracy from 0 to 1; for rule='cl' also the gap of confidence and "
                "accuracy",
                fix="divide percentages by 100",
            )
        confidence = float("nan") if gap is None else float(accuracy) + float(gap)
        self.method.after_validation(Validation(float(accuracy), confidence), self.epoch)
        self.epoch += 1

    def get_extra_state(self) -> dict[str, Any]:
        """Return levels and the rule's state, in types that torch.load takes with weights_only."""
        return {"epoch": self.epoch, "rule": self.rule, "method": self.method.state()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_extra_state` returned.

        Raises:
            UserError: it is the state of another rule, or of other numbers of images or classes.
        """
        method = state["method"]
        images = len(method["_alphas"])
        saved = f"rule {state['rule']!r}, {images} images, {method['_classes']} classes"
        images = len(self.alphas) or images  # a decode head's loss has no images yet
        expected = f"rule {self.rule!r}, {images} images, {self.classes} classes"
        if saved != expected:
            raise UserError(
                "ASLP: the checkpoint is of another one", found=saved, expected=expected
            )
        self.epoch = state["epoch"]
        self.method.restore(method)
