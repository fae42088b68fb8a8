"""The paper's decoder computes what paper section 4 says of it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from pipeline_src.training.models.aslp_decoder import ASLPHead, DilatedSum, Fusion
from pipeline_src.training.models.build import build_segmentor


def small_head(**options) -> ASLPHead:
    return ASLPHead(
        [4, 6, 8, 10],
        channels=3,
        width=8,
        hidden=5,
        in_index=[0, 1, 2, 3],
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        **options,
    )


def features(sizes=(16, 8, 4, 2)) -> list[torch.Tensor]:
    return [torch.randn(2, channels, size, size) for channels, size in zip([4, 6, 8, 10], sizes, strict=True)]


def test_widths_of_the_paper():
    head = build_segmentor("resnet50_aslp", pretrained=False, image_size=32).decode_head
    assert [level.convs[0].in_channels for level in head.levels] == [256, 512, 1024, 2048]
    assert all([conv.dilation[0] for conv in level.convs] == [3, 6, 12, 18] for level in head.levels)
    assert {conv.out_channels for level in head.levels for conv in level.convs} == {256}
    assert len(head.fusions) == 4
    assert (head.enter.out_channels, head.leave[0].out_channels, head.conv_seg.out_channels) == (128, 32, 1)


def test_a_level_is_the_sum_of_its_dilated_convolutions():
    torch.manual_seed(0)
    level, x = DilatedSum(3, 5), torch.randn(2, 3, 20, 20)
    expected = torch.zeros(2, 5, 20, 20)
    for d, conv in zip((3, 6, 12, 18), level.convs, strict=True):
        padded = F.pad(x, [d] * 4)
        for i in range(3):
            for j in range(3):  # nine shifted copies: the definition of a dilated convolution
                shifted = padded[:, :, i * d : i * d + 20, j * d : j * d + 20]
                expected += torch.einsum("oc,bchw->bohw", conv.weight[:, :, i, j], shifted)
        expected += conv.bias.view(1, -1, 1, 1)
    assert torch.allclose(level(x), expected, atol=1e-5)


def test_a_fusion_adds_the_refined_level_to_the_path():
    torch.manual_seed(0)
    fusion, level, path = Fusion(4), torch.randn(1, 4, 6, 6), torch.randn(1, 4, 6, 6)

    def refined(unit, x):
        return x + unit[3](F.relu(unit[1](F.relu(x))))

    assert torch.allclose(fusion(level, path), refined(fusion.after, path + refined(fusion.before, level)), atol=1e-6)
    assert torch.allclose(fusion(level, None), refined(fusion.after, refined(fusion.before, level)), atol=1e-6)


@pytest.mark.parametrize(("sizes", "side"), [((16, 8, 4, 2), 64), ((25, 13, 7, 4), 100)])
def test_logits_have_the_images_size_also_where_32_does_not_divide_it(sizes, side):
    assert small_head()(features(sizes)).shape == (2, 1, side, side)


def test_every_level_reaches_the_map():
    torch.manual_seed(0)
    head, maps = small_head(dropout_ratio=0), features()
    z = head(maps)
    for number in range(4):
        changed = [x + 1 if k == number else x for k, x in enumerate(maps)]
        assert not torch.allclose(head(changed), z)
