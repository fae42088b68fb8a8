"""Pretrained weights that come from an address, compared with the digest in their file name."""

from __future__ import annotations

import copy
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import torch

from pipeline_src.errors import UserError
from pipeline_src.files import sha256
from pipeline_src.params.schema import Model
from pipeline_src.training.models.config import is_factory, read_config
from pipeline_src.training.models.weights import remove_weights

HASHED = re.compile(r"-([0-9a-f]{8})\.\w+$")  # torch.hub's names end with the begin of the SHA-256
CLASSIFIER = re.compile(r"unexpected key in source state_dict: ((fc|classifier|head)[.\w]*(, )?)+\s*")
log = logging.getLogger(__name__)


def check(model: Model) -> None:
    """Compare the pretrained weights on this machine with the digest in their file name, and log their SHA-256.

    Raises:
        UserError: a file is not the one that its name says.
    """
    for address, file in _files(model):
        expected = HASHED.search(file.name)
        if not file.is_file():  # the first training downloads it
            continue
        actual = sha256(file)
        if expected and not actual.startswith(expected[1]):
            raise UserError(
                f"model.pretrained: {file} is not the file that its name says",
                found=f"sha256 {actual}",
                expected=f"sha256 {expected[1]}...",
                fix=f"remove it, and download {address} again; weights of your own are named as `checkpoint` by a "
                "config of yours",
            )
        log.info("pretrained weights: %s, sha256 %s", file.name, actual)


def _files(model: Model) -> Iterator[tuple[str, Path]]:
    """The address of each of a network's weights, and the file that they are kept in."""
    if not model.pretrained or is_factory(model.network):
        return
    for name in remove_weights(copy.deepcopy(read_config(model.network).model)):
        if re.match("https?://", name):
            yield name, Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(name).path).name)


def leave_out_noise() -> None:
    """From now on, what libraries warn of for nothing: weights of ImageNet's classes, which no backbone has, as if the
    others had not been loaded; and an argument of DDP that mmengine needs."""
    from mmengine.logging import MMLogger

    MMLogger.get_current_instance().addFilter(_matters)
    warnings.filterwarnings("ignore", r"`broadcast_buffers` is deprecated", FutureWarning)


def _matters(record: logging.LogRecord) -> bool:
    head, _, rest = record.getMessage().partition("do not match exactly")
    return not (head.startswith("The model and loaded state dict") and CLASSIFIER.fullmatch(rest.strip()))
