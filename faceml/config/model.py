"""The network: which backbone, which starting weights."""

from typing import Annotated, Literal

from faceml.config.base import Config, Count, MustExist, StorageUri

BackboneName = Literal["resnet18", "resnet50"]
WeightsFile = Annotated[StorageUri, MustExist("file", or_else="none or imagenet")]


class ModelConfig(Config):
    """The shared network of expression, landmarks and recognition."""

    backbone: BackboneName = "resnet18"
    """torchvision ResNet without its classifier."""
    weights: Literal["none", "imagenet"] | WeightsFile = "none"
    """`none` (random start), `imagenet` (torchvision's download), or a file with a ResNet state dict (path
    or URI)."""
    embedding_dim: Count = 512
    """Width of the projection that all heads read."""
    stem_stride: Literal[1, 2] = 2
    """Of the backbone's first convolution; 1 leaves small images, as of 112 px, twice the resolution in every
    stage, at four times the computation. The weights are the same."""
