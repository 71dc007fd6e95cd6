"""Section of the network."""

from typing import Annotated, Literal

from faceml.config.base import Config, Count, MustExist, StorageUri
from faceml.config.sections.backbones import BackboneName

WeightsFile = Annotated[StorageUri, MustExist("file", or_else="none or imagenet")]


class ModelConfig(Config):
    """Network shared by expression, landmarks and recognition."""

    backbone: BackboneName = "resnet18"
    """Network without its classifier: `resnet18` or `resnet50` of torchvision, `iresnet18`, `iresnet50` or
    `iresnet100` of ArcFace, `timm/NAME` (needs `pip install 'faceml[timm]'`), or one of another package."""
    weights: Literal["none", "imagenet"] | WeightsFile = "none"
    """Initial weights: `none` (random), `imagenet` (downloaded by torchvision or timm), or a file (path or
    URI) with the backbone's state dict, from `torch.save` or safetensors, in the checkpoint of most
    programs."""
    embedding_dim: Count = 512
    """Size of the embedding, the input of all heads."""
    stem_stride: Literal[1, 2] = 2
    """2 leaves the backbone's first convolution as it is published. 1 halves its stride of 2, which doubles
    the resolution in every stage, for small images such as 112 px, at four times the computation. The
    weights have the same shapes."""
