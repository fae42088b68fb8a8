"""Monte Carlo dropout (Gal and Ghahramani, ICML 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline_src.errors import UserError
from pipeline_src.rng import torch_seed
from pipeline_src.training.posthoc import PostHoc

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline_src.data.store import Store
    from pipeline_src.params.schema import Experiment
    from pipeline_src.training.classifier import DenseClassifier

AT_ONCE = 10


class MCDropout(PostHoc):
    """The mean probability of several passes with dropout, drawn by (seed, sample id): neither batch nor order matters.
    The network must have dropout: `efficientnet_lite0_fpn` has it in its head, `resnet50_aslp` has none.

    Kind: posthoc
    Idea: Dropout stays on in prediction, and its passes are averaged.
    Formula: mean of `f` over the passes
    Setting: The mean over passes is the authors'. Ours: the number of passes, and dropout where the network has it.
    Source: Gal and Ghahramani, ICML 2016
    """

    passes: int = Field(10, ge=2, description="Forward passes an image.")

    def fit(self, networks: list[DenseClassifier], store: Store, experiment: Experiment) -> dict[str, float]:
        """Fits nothing; refuses a network without dropout before it is evaluated."""
        return {"dropout_layers": len(dropouts(networks[0]))}

    def logits(self, networks: list[DenseClassifier], x: Tensor, ids: list[str], seed: int) -> list[Tensor]:
        import torch

        [network] = networks
        with dropping(network):
            # Image by image: its passes are a batch, which draws for itself.
            passes = [self._passes(network, image, name, seed) for image, name in zip(x, ids, strict=True)]
        return list(torch.stack(passes, dim=1))

    def _passes(self, network: DenseClassifier, image: Tensor, name: str, seed: int) -> Tensor:
        """Logits (passes, C, h, w) of one image (3, S, S)."""
        import torch

        passes = []
        for first in range(0, self.passes, AT_ONCE):
            torch.manual_seed(torch_seed(seed, name, "mc_dropout", first))
            passes.append(network(image.expand(min(AT_ONCE, self.passes - first), *image.shape)))
        return torch.cat(passes)


def dropouts(network: nn.Module) -> Sequence[nn.Module]:
    """The dropout modules of a network that drop anything; stochastic depth is not among them.

    Raises:
        UserError: there is none.
    """
    from torch import nn

    kinds = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
    modules = [module for module in network.modules() if isinstance(module, kinds) and module.p > 0]
    if not modules:
        raise UserError(
            "mc_dropout: the network has no dropout",
            expected="a dropout layer, as the config's decode_head gets from dropout_ratio=0.1",
            fix="take mc_dropout out of the experiment's `methods:`, or train with a `model.config` that has dropout",
        )
    return modules


@contextmanager
def dropping(network: nn.Module) -> Iterator[None]:
    """Dropout in train mode, all other modules as they are: batch norm uses its running statistics."""
    modules = dropouts(network)
    try:
        for module in modules:
            module.train()
        yield
    finally:
        for module in modules:
            module.eval()
