"""Configuration sections that several jobs share: network, storage and logging."""

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


class StorageConfig(Config):
    """Of a job that may run on several nodes."""

    shared: bool = False
    """Whether local paths are the same folders on every node, as those of a mounted file system are."""


class LoggingConfig(Config):
    """Lines on stderr, and of workers in Ray's log files; they change nothing of the results."""

    format: Literal["text", "json"] = "text"
    """`json`: each line an object with time, level, logger, message, job, run, node, and a worker's rank."""
