"""One training run: images, a method and a seed -> the trained network, its history and alphas.

Some methods perturb labels at random. The alpha of a training image is the probability that its
label is perturbed; some of these methods learn it.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from pipeline_src.counting.accumulate import Accumulator
from pipeline_src.counting.bins import top_label
from pipeline_src.counting.counts import Histogram
from pipeline_src.counting.sample import checked
from pipeline_src.data.null_images import CROP_SUFFIX
from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.files import write_text
from pipeline_src.labels import IGNORED, NO_CLASS
from pipeline_src.params.schema import Experiment, Training
from pipeline_src.rng import torch_seed
from pipeline_src.training import checkpoint
from pipeline_src.training.batches import training_batches, validation_batches
from pipeline_src.training.classifier import DenseClassifier, build_classifier
from pipeline_src.training.method import Batch, Method, Validation
from pipeline_src.training.pixels import class_planes, probability, upsampled
from pipeline_src.training.progress import Progress

log = logging.getLogger(__name__)


@dataclass
class TrainingRun:
    """The state of a run between two epochs, and its result after the last one.

    Attributes:
        averaged: the exponential average of the weights and of batch norm's running statistics.
        ids: sample ids of the training images, by index.
        history: the rows of history.csv, one for each epoch.
        alphas: after each epoch, the probability of each training image that its label is
            perturbed, (N,); empty if the method learns none.
    """

    model: DenseClassifier
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    method: Method
    ids: list[str]
    seed: int
    history: list[dict[str, float]] = field(default_factory=list)
    alphas: list[np.ndarray] = field(default_factory=list)

    @property
    def chosen(self) -> DenseClassifier:
        """The network that is validated, and becomes the result of the run.

        It is the averaged network if the method asks for an average, else the trained network.
        """
        return self.averaged_network if self.method.average_epochs else self.model

    @property
    def averaged_network(self) -> DenseClassifier:
        """The network with the averaged weights."""
        network = self.averaged.module
        assert isinstance(network, DenseClassifier)
        return network

    def step(self, samples: dict[str, Any], epoch: int) -> float:
        """Return the loss of a batch of `training_batches`, after a step down its gradient.

        The step changes the weights, their average and the method's state.

        Args:
            samples: `inputs` (B, 3, S, S) uint8, `masks` (B, 1, S, S) uint8, and the `index` of
                each image in the training set.
            epoch: from 1.
        """
        index = samples["index"].numpy()
        ids = [self.ids[i] for i in index]
        batch = Batch(index=index, ids=ids, seed=self.seed, epoch=epoch)
        x = self.model.standardized(samples["inputs"])
        masks = samples["masks"].to(self.model.mean.device)
        if self.model.classes == 2:
            y = masks.float() / 255  # soft masks
        else:  # class ids
            y = class_planes(masks, self.model.classes)
        x, y = self.method.inputs(x, y, batch)
        targets = self.method.targets(y, batch)
        size = y.shape[2:]
        # The decode head comes first; auxiliary heads only add to the loss.
        heads = [(upsampled(z, size), weight) for z, weight in self.model.weighted_logits(x)]
        losses = [weight * self.method.loss(z, targets) for z, weight in heads]
        loss = sum(losses[1:], start=losses[0])
        # A number per image that some methods learn from; None for all other methods.
        statistic = self.method.image_statistic(heads[0][0], y)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.averaged.update_parameters(self.model)
        if statistic is not None:
            # To the CPU first: not every accelerator has doubles.
            by_image = statistic.detach().cpu().double().numpy()
            self.method.after_step(by_image, index, epoch)
        return float(loss.detach())

    def record_epoch(
        self, epoch: int, rate: float, loss: float, validation: Validation
    ) -> dict[str, float]:
        """Return the epoch's row of history.csv, after adding it to the history.

        The alphas of a method that learns them are added to `alphas`.

        Args:
            rate: learning rate of the epoch.
            loss: mean loss of the epoch's steps.
        """
        row = {
            "epoch": epoch,
            "lr": rate,
            "loss": loss,
            "val_accuracy": validation.accuracy,
            "val_ece": validation.ece,
            "mean_alpha": float("nan"),
        }
        row.update(self.method.history_values())
        alphas = self.method.alphas
        if alphas is not None:
            row["mean_alpha"] = float(alphas.mean())
            if self.method.learns_alphas:  # other alphas never change
                self.alphas.append(alphas.copy())
        self.history.append(row)
        return row

    def save(self, folder: Path) -> None:
        """Write the state after the last epoch as a checkpoint, from which `resume` continues."""
        content = {
            "model": self.model.state_dict(),
            "average": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "method": self.method.state(),
            "history": self.history,
            "alphas": [torch.from_numpy(alphas) for alphas in self.alphas],
        }
        checkpoint.save(folder, len(self.history), content)

    def resume(self, folder: Path) -> None:
        """Restore the state that `save` wrote last, if there is a checkpoint in `folder`."""
        saved = checkpoint.load(folder)
        if saved:
            self.model.load_state_dict(saved["model"])
            self.averaged.load_state_dict(saved["average"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.method.restore(saved["method"])
            self.history = saved["history"]
            self.alphas = [alphas.numpy() for alphas in saved["alphas"]]

    def write(self, folder: Path) -> None:
        """Write the files of the finished run.

        They are the networks (model.safetensors is `chosen`, averaged.safetensors the average),
        history.csv with a row per epoch, run.json with sizes and, with alphas, alpha.csv with a row
        per training image and a column per epoch.
        """
        checkpoint.save_network(folder / "model.safetensors", self.chosen.segmentor)
        checkpoint.save_network(folder / "averaged.safetensors", self.averaged_network.segmentor)
        history = pd.DataFrame(self.history).set_index("epoch")
        write_text(folder / "history.csv", history.to_csv(lineterminator="\n"))
        if self.alphas:
            epochs = history.index.astype(str)
            table = pd.DataFrame(np.transpose(self.alphas), index=self.ids, columns=epochs)
            alphas = table.to_csv(lineterminator="\n", index_label="id")
            write_text(folder / "alpha.csv", alphas)
        sizes = {
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "images": len(self.ids),
        }
        write_text(folder / "run.json", json.dumps(sizes, indent=2) + "\n")


def train(
    train_store: Store,
    val_store: Store,
    experiment: Experiment,
    method: Method,
    *,
    seed: int,
    work: Path,
    name: str,
    references: dict[str, list[float]],
    trackers: Path,
) -> TrainingRun:
    """Train a network by `method`, and return the run after its last epoch.

    A call continues the run of an earlier call that stopped. The result depends on the device
    and on the arguments except `work`, `name` and `trackers`. It is bit-identical however often the
    run was killed, and for any number of workers.

    Args:
        work: folder of the checkpoints of this run and no other.
        name: name of the run, in progress lines.
        references: validation accuracies by epoch of the methods that `method.references()` names.
        trackers: folder of the files of `training.trackers`.

    Raises:
        UserError: the loss is not finite, or a tracker cannot start.
    """
    settings = experiment.training
    steps = len(training_batches(train_store, experiment, seed, epoch=1))
    val_batches = validation_batches(val_store, settings, null_images=method.validates_null)
    method.start(len(train_store), references, train_store.classes)
    run = _untrained_run(train_store, experiment, method, seed=seed, steps=steps)
    run.resume(work)
    if run.history:
        log.info("%s  resumes after epoch %d", name, len(run.history))
    epochs_left = settings.epochs - len(run.history)
    progress = Progress(
        name=name,
        training=settings,
        device=run.model.mean.device,
        folder=trackers,
        images=epochs_left * (len(train_store) + len(val_store)),
        steps=steps,
    )
    for epoch in range(len(run.history) + 1, settings.epochs + 1):
        batches = training_batches(train_store, experiment, seed, epoch)
        rate = learning_rate(settings, epoch)
        loss = _train_epoch(run, batches, epoch, rate, progress)
        validation = validate(
            run.chosen.eval(), val_batches, grey_is_error=settings.accuracy_on == "released"
        )
        method.after_validation(validation, epoch)
        row = run.record_epoch(epoch, rate, loss, validation)
        progress.end(row, method.alphas)
        run.save(work)
    progress.close()
    return run


def _untrained_run(
    train_store: Store, experiment: Experiment, method: Method, *, seed: int, steps: int
) -> TrainingRun:
    """Return a run before its first epoch; the seed determines the weights that are not pretrained.

    Args:
        steps: training steps of an epoch.
    """
    settings = experiment.training
    torch.manual_seed(torch_seed(seed, "weights"))
    model = build_classifier(experiment, train_store.classes, experiment.model.pretrained)
    # Every run writes an averaged network; a method may choose another number of epochs.
    window = method.average_epochs or settings.average_epochs
    return TrainingRun(
        model=model,
        averaged=averaged_model(model, window * steps),
        optimizer=torch.optim.Adam(model.parameters(), weight_decay=settings.weight_decay),
        method=method,
        ids=train_store.ids,
        seed=seed,
    )


def _train_epoch(
    run: TrainingRun,
    batches: Iterable[dict[str, Any]],
    epoch: int,
    rate: float,
    progress: Progress,
) -> float:
    """Train the run for one epoch, and return the mean loss of the epoch's steps.

    The order of the images, the learning rate and torch's seed (dropout) follow from the seed of
    the run, the epoch and the step, so a resumed run needs no saved state for them.

    Args:
        epoch: from 1.
        rate: learning rate of the epoch.
        progress: counts the steps.

    Raises:
        UserError: the loss is not finite.
    """
    losses = []
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.model.train()
    for step, samples in enumerate(batches):
        # The 0 has no meaning: it keeps the draws of published runs.
        torch.manual_seed(torch_seed(run.seed, epoch, step, 0, "torch"))
        loss = run.step(samples, epoch)
        if not math.isfinite(loss):
            raise UserError(
                f"{progress.name}: the loss is {loss} in epoch {epoch}",
                fix="lower training.lr, or set `amp: off`; the run's last checkpoint is kept",
            )
        losses.append(loss)
        progress.step(len(samples["index"]))
    return float(np.mean(losses))


def learning_rate(training: Training, epoch: int) -> float:
    """Return the learning rate of an epoch, which counts from 1.

    The schedule `compounding` multiplies the rate by 0.95^(e // 10) after each epoch e, so the
    exponents of all earlier epochs add up.
    """
    if training.schedule == "constant":
        return training.lr
    return training.lr * 0.95 ** sum(e // 10 for e in range(1, epoch))


def averaged_model(model: DenseClassifier, steps: float) -> AveragedModel:
    """Return a copy of a model for an exponential average of its weights and running statistics.

    The average is over about `steps` training steps. The first `steps` steps count equally.
    """

    def average(averaged: Any, current: Any, number: Tensor | int) -> None:
        """Move averaged tensors toward the current ones, after `number` steps.

        torch calls it with lists of all tensors of one type, which is faster than a loop over them.
        """
        if averaged[0].is_floating_point():  # the integers of batch norm only count batches
            # The mean of all steps so far has the weight 1 / (1 + number). With a weight of at
            # most 1/2, even an average over one step differs from the current weights.
            weight = max(1 / max(steps, 2), 1 / (1 + int(number)))
            torch._foreach_lerp_(averaged, current, weight)

    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)


# Validation


def validate(
    model: DenseClassifier, batches: Iterable[dict[str, Any]], *, grey_is_error: bool
) -> Validation:
    """Return the results of a network on the validation images, as an evaluation counts them.

    Object-free crops, if the batches have some, are counted apart from the images, in the field
    `null` of the result. Predictions are unnormalized, at the original size of the masks, with
    threshold 0.5; for K classes the top class is predicted.

    Args:
        batches: the result of `validation_batches`.
        grey_is_error: whether a grey pixel of a mask (neither 0 nor 255) is an error of `accuracy`,
            whatever is predicted there, as in the released program.
    """
    classes = model.classes if model.classes > 2 else None
    # Only unnormalized ("raw") predictions of pooled pixels: a row for each image and the other
    # protocol would take two thirds of the time.
    whole_images = Accumulator(classes, protocols=["raw"], images=False)
    crops = Accumulator(classes, protocols=["raw"], images=False)
    right_on_grey = 0
    for batch in batches:
        with torch.no_grad():
            logits = model(batch["inputs"])
        samples = zip(logits, batch["truth"], batch["grey"], batch["id"], strict=True)
        for z, truth, grey, name in samples:
            f = probability(z, truth.shape)
            if grey_is_error and classes is None:
                # `grey` holds places in the flattened truth.
                right = (f.flat[grey] >= 0.5) == truth.flat[grey]
                right_on_grey += int(np.count_nonzero(right))
            counts = crops if name.endswith(CROP_SUFFIX) else whole_images
            counts.add(checked(f, truth, name, ignore=IGNORED, no_class=NO_CLASS))
    validation = _validation(whole_images.counts()["raw"].histogram, right_on_grey)
    crop_histogram = crops.counts()["raw"].histogram
    if crop_histogram.pixels:
        validation = replace(validation, null=_validation(crop_histogram, right_on_grey=0))
    return validation


def _validation(histogram: Histogram, right_on_grey: int) -> Validation:
    """Return the results that a histogram of all validation pixels gives.

    Args:
        histogram: pixels by confidence and correctness.
        right_on_grey: number of right pixels that `accuracy` counts as errors, because their masks
            are grey.

    Raises:
        UserError: no pixel counts.
    """
    # Pixels by the confidence of the predicted class: hits are right, score sums the confidence.
    bins = top_label(histogram)
    pixels = histogram.pixels
    if not pixels:
        raise UserError(
            "no pixel of the validation images counts",
            found="the id of `void` at every pixel of their masks",
            fix="correct `void` of the dataset, or the split `val`",
        )
    return Validation(
        accuracy=(int(bins.hits.sum()) - right_on_grey) / pixels,
        confidence=float(bins.score.sum()) / pixels,
        histogram=histogram,
        grey=right_on_grey / pixels,
    )
