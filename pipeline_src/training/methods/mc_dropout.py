"""Monte Carlo dropout (Gal and Ghahramani, ICML 2016).

Dropout stays on in prediction, and the probabilities of several passes are averaged.
"""

from __future__ import annotations

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


class MCDropout(PostHoc):
    """The mean probability of several passes with dropout, drawn by (seed, sample id): neither
    batch nor order matters. The network must have dropout: `efficientnet_lite0_fpn` has it in its
    head, `resnet50_aslp` has none.

    Kind: posthoc
    Idea: Dropout stays on in prediction, and its passes are averaged.
    Formula: mean of `f` over the passes
    Setting: The mean over passes is the authors'. Ours: the number of passes, and dropout where the
        network has it.
    Source: Gal and Ghahramani, ICML 2016
    """

    passes: int = Field(10, ge=2)
    """Forward passes an image."""

    def fit(
        self, networks: list[DenseClassifier], store: Store, experiment: Experiment
    ) -> dict[str, float]:
        """Return the number of dropout layers, which the run stores. Nothing is fitted.

        Raises:
            UserError: the network has no dropout, so all passes would be equal.
        """
        return {"dropout_layers": len(dropouts(networks[0]))}

    def logits(
        self, networks: list[DenseClassifier], x: Tensor, ids: list[str], seed: int
    ) -> list[Tensor]:
        """Return the logits of each pass with dropout, each (B, C, h, w).

        The draws depend on the run's seed and the sample id only.
        """
        import torch

        network = networks[0]
        layers = dropouts(network)
        # All other modules stay in evaluation mode: batch norm uses its running statistics.
        layers.train()
        passes = []
        # The passes of an image are a batch with its own draws.
        for image, name in zip(x, ids, strict=True):
            # The 0 has no meaning: it keeps the draws of published runs.
            torch.manual_seed(torch_seed(seed, name, "mc_dropout", 0))
            passes.append(network(image.expand(self.passes, -1, -1, -1)))
        layers.eval()
        return list(torch.stack(passes, dim=1))  # from one tensor per image to one per pass


def dropouts(network: nn.Module) -> nn.ModuleList:
    """Return the dropout layers of a network with a rate above 0.

    Stochastic depth, which drops whole layers of some backbones, is left out.

    Raises:
        UserError: there is none.
    """
    from torch.nn import ModuleList
    from torch.nn.modules.dropout import _DropoutNd

    layers = ModuleList()
    for module in network.modules():
        if isinstance(module, _DropoutNd) and module.p:
            layers.append(module)
    if not layers:
        raise UserError(
            "mc_dropout: the network has no dropout",
            expected="a dropout layer, as the config's decode_head gets from dropout_ratio=0.1",
            fix="take mc_dropout out of the experiment's `methods:`, or train with a "
            "`model.config` that has dropout",
        )
    return layers
