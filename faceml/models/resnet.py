"""ResNets of torchvision, which is imported when one is built: the import takes seconds."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from faceml.models.architecture import Architecture, residual_stages

# Pinned by name instead of `DEFAULT`, which changes with torchvision's versions.
_IMAGENET = {
    "resnet18": "ResNet18_Weights.IMAGENET1K_V1",
    "resnet50": "ResNet50_Weights.IMAGENET1K_V2",
}


class ResNet(Architecture):
    """Residual networks (He et al. 2016) without their classifier `fc`."""

    classifier = ("fc.",)

    def __init__(self, name: str) -> None:
        from torchvision.models import get_weight

        super().__init__(name)
        self._imagenet: Any = get_weight(_IMAGENET[name])
        self.imagenet_source = self._imagenet.url

    def build(self, image_size: int) -> nn.Module:
        """Build the network, which works with images of any size."""
        from torchvision.models import get_model

        backbone: nn.Module = get_model(self.name, weights=None)
        backbone.fc = nn.Identity()
        return backbone

    def feature_dim(self, backbone: nn.Module) -> int:
        """Return the number of channels of the last stage: 512, or 2048 with bottlenecks."""
        return {"resnet18": 512, "resnet50": 2048}[self.name]

    def stages(self, backbone: nn.Module) -> Mapping[str, Sequence[str]]:
        """Return the stem and four layers."""
        return residual_stages(backbone)

    def stem(self, backbone: nn.Module) -> nn.Conv2d | None:
        """Return the convolution of 7×7 before the pooling."""
        stem: nn.Conv2d = backbone.get_submodule("conv1")  # type: ignore[assignment]
        return stem

    def read_imagenet(self) -> Mapping[str, Tensor]:
        """Return torchvision's weights from torch hub's cache, or download them."""
        state: Mapping[str, Tensor] = self._imagenet.get_state_dict(
            progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
        return state
