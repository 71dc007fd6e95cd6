from copy import deepcopy

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from faceml.models.small_maps import SmallMapConv2d, speed_up_small_maps


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("stride", [1, 2, (2, 1)])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 2), (2, 1), (3, 2), (5, 5)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_small_map_convolution__output_and_gradients_are_those_of_a_convolution(
    bias: bool, stride: int | tuple[int, int], size: tuple[int, int], memory_format: torch.memory_format
) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(3, 5, 3, stride, padding=1, bias=bias).double().to(memory_format=memory_format)
    fast = deepcopy(plain)
    speed_up_small_maps(fast)
    assert type(fast) is SmallMapConv2d
    image = torch.randn(4, 3, *size, dtype=torch.float64).to(memory_format=memory_format)
    images = [image.clone().requires_grad_() for _ in range(2)]
    expected, found = plain(images[0]), fast(images[1])
    weights = torch.randn_like(expected)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()

    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(images[1].grad, images[0].grad)
    for mine, theirs in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_speed_up_small_maps__only_plain_convolutions_of_3_by_3_are_replaced() -> None:
    others = [
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 4, 7, padding=1),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, padding=1, dilation=2),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, padding="same"),
    ]
    network = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), *others)
    speed_up_small_maps(network)
    assert [type(module) is SmallMapConv2d for module in network] == [True] + [False] * len(others)


def test_speed_up_small_maps__resnet_keeps_its_parameters_and_its_predictions() -> None:
    torch.manual_seed(0)
    plain = resnet18(num_classes=8).eval()
    fast = deepcopy(plain)
    speed_up_small_maps(fast)
    images = torch.randn(2, 3, 48, 48)
    assert list(fast.state_dict()) == list(plain.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(fast(images), plain(images), rtol=0, atol=0)


def test_small_map_convolution__bf16_keeps_its_precision() -> None:
    plain = nn.Conv2d(3, 5, 3, padding=1)
    fast = deepcopy(plain)
    speed_up_small_maps(fast)
    image = torch.randn(4, 3, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = fast(image), plain(image)
    assert found.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05)
