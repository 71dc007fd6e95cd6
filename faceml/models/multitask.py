"""Multitask network: a shared backbone and embedding, and one head per task.

Shape letters: B images of a batch, D embedding dimensions.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor, nn

from faceml.config import ModelConfig
from faceml.models.backbone import IMAGE_SIZE_PX, FaceModel, feature_dim
from faceml.models.backbone_weights import build_backbone_from
from faceml.models.heads import ProjectionHead

HeadBuilder = Callable[[int], nn.Module]
"""Returns a module from embeddings (B, D) to outputs (B, …), given D."""


class FaceOutputs(NamedTuple):
    """Outputs of the network for a batch of faces.

    Attributes:
        tasks: Output of each task's head by the task's name, of shape (B, …).
        embedding: float32 of shape (B, D), input of all heads.
    """

    tasks: dict[str, Tensor]
    embedding: Tensor


class MultitaskFaceModel(FaceModel):
    """Predict the outputs of several tasks with a shared backbone.

    The keys of its state dict have the prefixes `backbone.`, `projection.` and `<task>_head.`, which scripts
    may rely on to extract the backbone.

    Args:
        backbone: Maps images (B, 3, H, W) to features (B, feature_dim).
        feature_dim: Dimension of these features.
        embedding_dim: Dimension D of the embedding.
        heads: Builds the head of each task, by the task's name; see `HeadBuilder`.
    """

    def __init__(
        self, backbone: nn.Module, feature_dim: int, embedding_dim: int, heads: Mapping[str, HeadBuilder]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = ProjectionHead(feature_dim, embedding_dim)
        self.embedding_dim = embedding_dim
        self.tasks = tuple(heads)
        for task, build_head in heads.items():
            self.add_module(head_name(task), build_head(embedding_dim))

    def forward(self, images: Tensor) -> FaceOutputs:
        """Map normalised images, float32 of shape (B, 3, H, W), to the outputs of all tasks.

        In training mode B must be at least 2, because of batch norm.
        """
        embedding = self.projection(self.backbone(images))
        outputs = {task: getattr(self, head_name(task))(embedding) for task in self.tasks}
        return FaceOutputs(outputs, embedding)


def head_name(task: str) -> str:
    """Return the name of a task's head: `<task>_head`, and `landmark_head` for the task `landmarks`."""
    return f"{'landmark' if task == 'landmarks' else task}_head"


def build_multitask_model(
    config: ModelConfig, heads: Mapping[str, HeadBuilder], image_size: int = IMAGE_SIZE_PX
) -> MultitaskFaceModel:
    """Build the multitask network with the initial weights of `config.weights`.

    Args:
        config: Backbone, initial weights and embedding dimension.
        heads: Builds the head of each task, by the task's name.
        image_size: Side of the images, px, for backbones whose weights depend on it.

    Raises:
        ConfigError: The initial weights cannot be loaded or do not match the backbone.
    """
    backbone = build_backbone_from(config, image_size)
    return MultitaskFaceModel(backbone, feature_dim(config.backbone, backbone), config.embedding_dim, heads)
