"""The decoder is that of the released program, as docs/protocol.md describes it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline_src.training.models.build import build_segmentor
from pipeline_src.training.models.modules import ASLPHead

CHANNELS = (4, 6, 8, 10)
SIZES = [((16, 8, 4, 2), 64), ((25, 13, 7, 4), 100)]  # of the levels and the image; 32 does not divide 100


def small_head(in_channels=CHANNELS, channels=3, width=8, hidden=5) -> ASLPHead:
    return ASLPHead(
        in_channels,
        channels=channels,
        width=width,
        hidden=hidden,
        in_index=[0, 1, 2, 3],
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        dropout_ratio=0,
    )


def test_widths_of_the_released_program():
    head = build_segmentor("resnet50_aslp", pretrained=False).decode_head
    assert [level.convs[0].in_channels for level in head.levels] == [256, 512, 1024, 2048]
    assert all([conv.dilation[0] for conv in level.convs] == [3, 6, 12, 18] for level in head.levels)
    assert {conv.out_channels for level in head.levels for conv in level.convs} == {256}
    assert (head.enter.out_channels, head.leave[0].out_channels, head.conv_seg.out_channels) == (128, 32, 1)


@pytest.mark.parametrize(("sizes", "side"), SIZES)
def test_a_second_implementation_gives_the_same_logits(sizes, side):
    torch.manual_seed(0)
    head = small_head().double()
    inputs = [torch.randn(2, c, size, size, dtype=torch.float64) for c, size in zip(CHANNELS, sizes, strict=True)]
    z = head([x.clone() for x in inputs])
    assert z.shape == (2, 1, side, side)
    assert (z - decoded(dict(head.named_parameters()), inputs)).abs().max() < 1e-6 * z.std()


def decoded(weights: dict[str, Tensor], inputs: list[Tensor]) -> Tensor:
    """The decoder from its description, without torch's layers: logits (B, 1, H, W) for weights by their names."""

    def convolved(x: Tensor, name: str, dilation: int = 1) -> Tensor:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        height, width = x.shape[2:]
        reach = dilation * (weight.shape[2] // 2)
        framed = torch.zeros(*x.shape[:2], height + 2 * reach, width + 2 * reach, dtype=x.dtype)
        framed[:, :, reach : reach + height, reach : reach + width] = x
        taps = [
            torch.einsum("oc,bchw->bohw", tap, framed[:, :, i * dilation :, j * dilation :][:, :, :height, :width])
            for i, row in enumerate(weight.permute(2, 3, 0, 1))
            for j, tap in enumerate(row)
        ]
        return torch.stack(taps).sum(0) + bias[:, None, None]

    def refined(x: Tensor, name: str) -> Tensor:
        positive = x.clamp(min=0)
        return positive + convolved(convolved(positive, f"{name}.0").clamp(min=0), f"{name}.2")

    def enlarged(x: Tensor, size: int, corners: bool) -> Tensor:
        here, there = torch.arange(x.shape[2], dtype=x.dtype), torch.arange(size, dtype=x.dtype)
        last = x.shape[2] - 1
        source = there * last / (size - 1) if corners else ((there + 0.5) * x.shape[2] / size - 0.5).clamp(0, last)
        tents = (1 - (source[:, None] - here).abs()).clamp(min=0)  # each pixel's share in each place
        return torch.einsum("ih,jw,bchw->bcij", tents, tents, x)

    levels = [
        sum(convolved(x, f"levels.{k}.convs.{n}", dilation) for n, dilation in enumerate((3, 6, 12, 18)))
        for k, x in enumerate(inputs)
    ]
    path = refined(levels[3], "coarsest")
    for k in (2, 1, 0):
        wider = enlarged(path, levels[k].shape[2], corners=True)
        path = refined(wider + refined(levels[k], f"fusions.{k}.before"), f"fusions.{k}.after")
    path = convolved(enlarged(path, 2 * path.shape[2], corners=True), "enter")
    path = convolved(enlarged(path, 2 * path.shape[2], corners=False), "leave.0").clamp(min=0)
    return convolved(path, "conv_seg")


def test_dilated_convolutions_start_narrow_and_all_else_as_torch_draws_it():
    torch.manual_seed(0)
    head = build_segmentor("resnet50_aslp", pretrained=False).decode_head
    dilated = [conv for level in head.levels for conv in level.convs]
    for conv in (module for module in head.modules() if isinstance(module, nn.Conv2d)):
        bound = conv.weight[0].numel() ** -0.5  # torch draws weights and biases uniformly in +- 1/sqrt(fan in)
        drawn = [conv.bias] if conv.bias.numel() > 1 else []
        if any(conv is other for other in dilated):
            assert conv.weight.std().item() == pytest.approx(0.01, rel=0.02)
            assert conv.weight.max() > 0.04  # four standard deviations, 590,000 normal draws or more; none uniform
        else:
            drawn.append(conv.weight)
        for values in drawn:
            assert 0.5 * bound < values.abs().max() < 1.001 * bound
