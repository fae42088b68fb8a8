"""Every key of params.yaml: type, default, allowed values and its description.

The reference of params.yaml in the docs is generated from these classes.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    field_validator,
    model_validator,
)

from pipeline_src.files import Content
from pipeline_src.validation import Count, Fraction, Name, Strict, distinct

# Names that no experiment may have: folders in results/ and data/ have them for another purpose.
TAKEN = {"judged", "overview", "published", "published-rebuilt", "unpacked", "downloads"}


ALL = "all"  # the split that every dataset has: all samples, sorted by name


class Documented(Strict):
    """A block of values in params.yaml.

    The text below a field is the description of the field in the docs.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)


class Split(Strict):
    """A split of a dataset or some of its images, in the order of the split's list.

    `{set: DUTS-TR, split: val, last: 500}`; 2,500 images after the first 500:
    `{set: DUTS-TR, split: train, skip: 500, first: 2500}`.
    """

    set: str
    split: str = ALL
    first: Count | None = None
    last: Count | None = None
    skip: NonNegativeInt = 0

    @model_validator(mode="after")
    def _one_end(self) -> Split:
        """Return the split after checking that its images are counted from one end.

        `first` and `last` exclude each other, and `skip` needs `first`.
        """
        if self.first is not None and self.last is not None:
            raise ValueError("`first` and `last` cannot be given together")
        if self.skip and self.first is None:
            raise ValueError(
                "`skip` needs `first`, the number of images after those that are skipped"
            )
        return self

    def __str__(self) -> str:
        """Return the split as text, such as "first 2500 of DUTS-TR/train after 500"."""
        text = f"{self.set}/{self.split}"
        if self.first is not None:
            text = f"first {self.first} of {text}"
        if self.last is not None:
            text = f"last {self.last} of {text}"
        if self.skip:
            text += f" after {self.skip}"
        return text


class Data(Documented):
    """Which images train, validate and test."""

    train: Split
    """Training images."""
    val: Split
    """Validation images: accuracy A of ASLP, post-hoc fits; never reported as unseen."""
    id: dict[Name, Split]
    """In-distribution test sets, by the name the tables give them."""
    shifted: dict[Name, Split] = Field({})
    """Test sets under distribution shift: evaluated as those of `id`, under their own heading; the
    report's recommendation ignores them.
    """
    ood: dict[Name, Split] = Field({})
    """Out-of-distribution test sets: no object, all background."""
    on_problem: Literal["fail", "skip"] = "fail"
    """What an unreadable or unpaired file does: stop with the list of all, or be left out and
    counted.
    """

    @model_validator(mode="after")
    def _names_differ(self) -> Data:
        """Return the data after checking that no two splits of the experiment share a name."""
        names = Counter(["train", "val", *self.id, *self.shifted, *self.ood])
        duplicates = [name for name, count in names.items() if count > 1]
        if duplicates:
            raise ValueError(
                f"each test set needs a name of its own, duplicates are {', '.join(duplicates)}"
            )
        return self


class Model(Documented):
    """The network: any mmsegmentation model, turned into one logit a pixel.

    docs/tutorials/own-experiment.md shows how to add one.
    """

    config: str = "efficientnet_lite0_fpn"
    """The name of an mmsegmentation config file in `pipeline_src/training/models/configs/`."""
    pretrained: bool = True
    """Start from the config's pretrained (ImageNet) weights."""


class Augmentation(Documented):
    """Random changes of a training image (docs/protocol.md)."""

    flip: Fraction = 0.5
    """Probability of a horizontal flip."""
    crop: Annotated[float, Field(ge=0, lt=1)] = 0.075
    """A centered crop takes up to this share off each side length (30 px of a 400 px image)."""
    rotate_probability: Fraction = 0.2
    """Probability of a rotation."""
    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 15
    """Rotations are uniform in +- this angle."""


class Training(Documented):
    """The optimization, equal for every method."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 30
    """Passes over the training images."""
    batch_size: Count = 10
    """Images a step."""
    lr: PositiveFloat = 1e-3
    """Adam's learning rate in the first epoch."""
    weight_decay: NonNegativeFloat = 0.0
    """Adam's L2 penalty."""
    schedule: Literal["constant", "compounding"] = "constant"
    """`compounding` multiplies the current rate by 0.95^(epoch // 10) after each epoch (the
    paper's).
    """
    average_epochs: PositiveFloat = 5.0
    """Epochs over which `averaged.safetensors` averages the weights, exponentially. Every training
    run writes it next to the last weights.
    """
    accuracy_on: Literal["thresholded", "released"] = "thresholded"
    """The validation accuracy that methods see: against masks > 127, or as in the released program,
    where a grey mask pixel is always an error.
    """
    amp: Literal["off", "bf16"] = "off"
    """Mixed precision. Changes numerics: keep one value within a comparison."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of a training or evaluation job. Changes the last bits of results."""
    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    """Processes that load data for one job; results do not depend on it."""
    device: str = "auto"
    """`auto` (a CUDA GPU if there is one, else the CPU), `cpu`, `cuda`, `cuda:1`..., `mps`."""
    gpus: Annotated[int, Field(ge=0, le=1)] = 0
    """GPUs that a job of a network reserves with Snakemake (`--resources gpu=N`): 0 or 1. With 1, a
    job without a working GPU stops; `device: cpu` lets it run on the CPU.
    """
    trackers: list[str | Content] = Field([])
    """Visualization backends of mmengine that show each epoch of a training, as in
    `[TensorboardVisBackend]` or `[{type: MLflowVisBackend, tracking_uri: ADDRESS}]`.
    """

    @field_validator("amp", mode="before")
    @classmethod
    def _unquoted(cls, amp: Any) -> Any:
        """Return `off` for False, which YAML reads a bare `off` as; DVC drops the quotes."""
        return "off" if amp is False else amp

    @field_validator("device")
    @classmethod
    def _valid_device(cls, device: str) -> str:
        """Return the device; ValueError if it is none of auto, cpu, mps, cuda and cuda:<number>."""
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
            raise ValueError("allowed are auto, cpu, mps, cuda and cuda:<number>")
        return device


class Evaluation(Documented):
    """How predictions are evaluated (docs/protocol.md)."""

    bins: Literal[2, 4, 5, 10, 15, 20, 25, 30, 50, 60, 100] = 10
    """Equal-width bins on [0, 1] of ECE, OE and the diagrams."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    """Images a forward pass."""
    weighted_f: bool = False
    """Also measure weighted F, which takes longer than all other metrics."""


class Experiment(Documented):
    """All values of one experiment: `defaults:` with the experiment's own values over them."""

    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field([0], min_length=1)
    """One run of each method per seed."""
    methods: list[Name] = Field(["baseline", "slp", "aslp_mei", "aslp_mc"], min_length=1)
    """The methods to run, each a block of `methods:`."""
    image_size: Annotated[int, Field(ge=32, le=4096)] = 96
    """Side in pixels to which images are resized for the network."""
    data: Data
    model: Model = Model()
    augmentation: Augmentation = Augmentation()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    claims: bool | list[Name] = True
    """The paper's claims to judge: all (`true`), none (`false`) or those of a list, as in `[C1,
    C5]`. On your datasets, `true` means those that apply.
    """

    _distinct = field_validator("seeds", "methods")(distinct)


class Params(Documented):
    """params.yaml as a whole."""

    experiment: Name
    """Which of `experiments:` runs; `--config experiment=...` overrides it for one Snakemake run.

    """
    data_root: str = "data/downloads"
    """Folder of downloaded archives and name lists (also in sub-folders `archives/`, `splits/`).
    The environment variable ASLP_DOWNLOADS overrides it.
    """
    judged: str = "results/judged"
    """Table T8 shows what `judge` wrote below this folder: `--out <folder>/<dataset>/<model>`."""
    datasets: Content = Field({})
    """Your datasets (docs/reference/datasets.md)."""
    methods: dict[Name, Content | None]
    """A block of parameters per method. The block's name is the method's, unless a key `method:`
    names another (a variant).
    """
    defaults: Content = Field({})
    """Values shared by all experiments; keys as in an experiment."""
    experiments: dict[Name, Content | None]
    """Experiments by name, each only what differs from `defaults:`."""

    @model_validator(mode="after")
    def _experiments_have_folders_of_their_own(self) -> Params:
        """Return the parameters after checking the names of experiments.

        An experiment has a folder of its name in results/, which may not have another purpose.
        """
        taken = {*TAKEN, Path(self.judged).name, Path(self.data_root).name}
        for name in self.experiments:
            if name.lower() in taken:  # some file systems ignore case
                raise ValueError(
                    f"experiments.{name}: its folder has another purpose; choose another name"
                )
        return self
