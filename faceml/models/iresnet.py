"""Improved residual networks of ArcFace.

Shape letters: B images of a batch, S side of an image, px.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from faceml.models.architecture import Architecture, residual_stages

CHANNELS = (64, 128, 256, 512)
"""Channels of the four stages."""
BLOCKS = {"iresnet18": (2, 2, 2, 2), "iresnet50": (3, 4, 14, 3), "iresnet100": (3, 13, 30, 3)}
"""Blocks of the four stages."""


class IResNet(nn.Module):
    """Residual network of Deng et al. 2019 ("ArcFace", section 3.1) up to the pooled features.

    Compared with a ResNet for ImageNet, the first convolution is 3×3 with stride 1 and no pooling follows, so
    that images of 112 px become maps of 7×7; blocks are `ImprovedBlock`.

    The names of tensors are those of insightface's arcface_torch, whose published `backbone.pth` files load
    as `model.weights`: `conv1`, `bn1`, `prelu`, `layer1` to `layer4` and `bn2` are used. `fc` and `features`
    are left out: they map the flattened 7×7 map to insightface's embedding and exist for 112 px alone. Here
    the map is averaged, so that images may have any size; projection or embedding head are trained anew.
    insightface normalises by mean and standard deviation 0.5.

    Args:
        blocks: Number of blocks of each stage.
    """

    def __init__(self, blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, CHANNELS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(CHANNELS[0])
        self.prelu = nn.PReLU(CHANNELS[0])
        before = CHANNELS[0]
        for number, (channels, depth) in enumerate(zip(CHANNELS, blocks, strict=True), start=1):
            others = [ImprovedBlock(channels, channels) for _ in range(depth - 1)]
            self.add_module(f"layer{number}", nn.Sequential(ImprovedBlock(before, channels, 2), *others))
            before = channels
        self.bn2 = nn.BatchNorm2d(before)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.1)  # as in insightface's implementation

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images, float32 of shape (B, 3, S, S), to features (B, 512)."""
        maps: Tensor = self.prelu(self.bn1(self.conv1(images)))
        for number in range(1, len(CHANNELS) + 1):
            maps = self.get_submodule(f"layer{number}")(maps)
        return torch.flatten(nn.functional.adaptive_avg_pool2d(self.bn2(maps), 1), 1)


class ImprovedBlock(nn.Module):
    """Residual block BN–conv–BN–PReLU–conv–BN, without an activation after the sum.

    The structure of Han et al. 2017 ("Deep pyramidal residual networks"), which ArcFace takes over. A stride
    applies to the second convolution.
    """

    def __init__(self, before: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample = (
            nn.Sequential(nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
            if stride > 1
            else None
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same size, or to half of it with a stride of 2."""
        residual: Tensor = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(maps))))))
        return residual + (maps if self.downsample is None else self.downsample(maps))


class ImprovedResNet(Architecture):
    """Architectures of `IResNet`."""

    classifier = ("fc.", "features.")

    def build(self, image_size: int) -> nn.Module:
        """Build the network, which works with images of any size."""
        return IResNet(BLOCKS[self.name])

    def feature_dim(self, backbone: nn.Module) -> int:
        """Return the number of channels of the last stage."""
        return CHANNELS[-1]

    def stages(self, backbone: nn.Module) -> Mapping[str, Sequence[str]]:
        """Return the stem and four layers."""
        return residual_stages(backbone)
