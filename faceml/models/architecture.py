"""Base of architectures of backbones."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from torch import Tensor, nn


class Architecture(ABC):
    """An architecture of backbones: construction, stages and published weights.

    Another package adds one by a subclass and an entry point of the group `faceml.backbones`, whose name is a
    value of `model.backbone`.

    Args:
        name: Value of `model.backbone`.

    Attributes:
        classifier: Prefixes of the tensors in published state dicts that the backbone has not, such as `fc.`.
        imagenet_source: Address or name of the ImageNet weights, for messages; None if there are none.
    """

    classifier: tuple[str, ...] = ()
    imagenet_source: str | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def build(self, image_size: int) -> nn.Module:
        """Build the randomly initialised network from images (B, 3, S, S) to pooled features (B, D).

        Args:
            image_size: S, for networks whose weights depend on it; others work with any size.
        """

    @abstractmethod
    def feature_dim(self, backbone: nn.Module) -> int:
        """Return D of a network from `build`."""

    def stages(self, backbone: nn.Module) -> Mapping[str, Sequence[str]]:
        """Return the names of the parameters of each stage, from the input on; empty without stages.

        Together the stages have every parameter once. `optimizer.layer_decay` gives each its learning rate.
        """
        return {}

    def stem(self, backbone: nn.Module) -> nn.Conv2d | None:
        """Return the first convolution if its stride is 2 and may be 1, as for `model.stem_stride: 1`."""
        return None

    def read_imagenet(self) -> Mapping[str, Tensor]:
        """Return the state dict of the ImageNet weights, downloading it if necessary.

        Only called if there is an `imagenet_source`. Any error is reported as a failed download.
        """
        return {}

    def fit(self, state: Mapping[str, Tensor], backbone: nn.Module) -> Mapping[str, Tensor]:
        """Return a state dict in the shapes of a network, such as position embeddings of another image size.

        Only called if shapes differ.
        """
        return state


def residual_stages(backbone: nn.Module) -> dict[str, list[str]]:
    """Return the names of the parameters of `layer1`, `layer2`, …, after those of the `stem` before them.

    Parameters after the last layer belong to its stage.
    """
    stages, stage = dict[str, list[str]](), "stem"
    for name, _ in backbone.named_parameters():
        module = name.partition(".")[0]
        stage = module if module.startswith("layer") else stage
        stages.setdefault(stage, []).append(name)
    return stages
