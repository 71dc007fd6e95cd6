"""The network: which backbone, which starting weights."""

from typing import Literal

from faceml.config.base import Config, Count, InputFile

BackboneName = Literal["resnet18", "resnet50"]


class ModelConfig(Config):
    """The shared network of expression, landmarks and recognition."""

    backbone: BackboneName = "resnet18"
    """torchvision ResNet without its classifier."""
    weights: Literal["none", "imagenet"] | InputFile = "none"
    """`none` (random start), `imagenet` (torchvision's download), or a file with a ResNet state dict."""
    embedding_dim: Count = 512
    """Width of the projection that all heads read."""
