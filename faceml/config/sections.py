"""Configuration sections that several jobs share: network, detector, storage and logging."""

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import AfterValidator

from faceml.config.backbones import BackboneName
from faceml.config.base import AbsolutePath, Config, Count, MustExist, Positive, StorageUri

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


def require_engine(engine: str) -> str:
    """Return the name of a program that runs the detector's networks, if it is installed.

    Raises:
        ValueError: Its package is missing.
    """
    if engine == "litert" and find_spec("ai_edge_litert") is None:
        raise ValueError("litert needs the package ai-edge-litert: pip install 'faceml[litert]'")
    return engine


Engine = Annotated[Literal["mediapipe", "litert"], AfterValidator(require_engine)]


class StorageConfig(Config):
    """Storage of a job that can run on several nodes."""

    shared: bool = False
    """Whether local paths are the same folders on every node, as on a shared file system."""


class QueriesConfig(Config):
    """Memory of the job's queries over tables, which may be larger than memory."""

    memory_gib: Positive = 1.0
    """Largest size of the buffers of a query, GiB. What exceeds it is moved to temporary files."""
    spill_folder: AbsolutePath | None = None
    """Local folder of the temporary files, which need up to 250 bytes a row; they are removed afterwards.
    null: the temporary folder of the operating system, which `TMPDIR` sets."""


class LoggingConfig(Config):
    """Log lines on stderr, and of workers in Ray's log files."""

    format: Literal["text", "json"] = "text"
    """`json`: one object per line with time, level, logger, message, job, run, node, and worker rank."""
