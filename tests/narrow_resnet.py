"""Small network in place of the ResNets, for tests that take any network."""

from typing import Any

from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from faceml.models import resnet


class NarrowResNet(ResNet):
    """ResNet of as many features, of one block per stage with an eighth of the channels.

    It learns, and has the modules of every ResNet, with a fiftieth of the parameters of a ResNet-18.
    """

    def __init__(self, block: Any, layers: list[int], **options: Any) -> None:
        super().__init__(block, [1] * len(layers), **options)

    def _make_layer(self, block: Any, planes: int, *args: Any, **options: Any) -> nn.Sequential:
        layer = super()._make_layer(block, planes // 8, *args, **options)
        if planes == 512:
            layer.append(nn.Conv2d(self.inplanes, planes * block.expansion, 1))
        return layer


class NarrowBackbone(resnet.ResNet):
    """The backbone `narrow`, for jobs, whose processes the fixture `narrow_backbone` does not change."""

    def __init__(self, name: str) -> None:
        super().__init__("resnet18")

    def build(self, image_size: int) -> nn.Module:
        backbone: nn.Module = NarrowResNet(BasicBlock, [2, 2, 2, 2])
        backbone.fc = nn.Identity()
        return backbone
