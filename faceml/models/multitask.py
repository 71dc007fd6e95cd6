"""Multitask network for expression and landmarks with a shared backbone.

Shape letters: B images of a batch, D embedding dimensions, E expressions, L landmarks.
"""

from typing import NamedTuple

from torch import Tensor, nn

from faceml.config import ModelConfig
from faceml.models.backbone import FaceModel, build_backbone_from, feature_dim
from faceml.models.heads import ExpressionHead, LandmarkHead, ProjectionHead


class FaceOutputs(NamedTuple):
    """Outputs of the network for a batch of faces.

    Attributes:
        logits: float32 of shape (B, E), logits of the expressions.
        landmarks: float32 of shape (B, L, 2), x and y divided by the image's width and height.
        embedding: float32 of shape (B, D), input of both heads.
    """

    logits: Tensor
    landmarks: Tensor
    embedding: Tensor


class MultitaskFaceModel(FaceModel):
    """Predict expression and landmarks with a shared backbone.

    The keys of its state dict have the prefixes `backbone.`, `projection.`, `expression_head.` and
    `landmark_head.`, which scripts may rely on to extract the backbone.

    Args:
        backbone: Maps images (B, 3, H, W) to features (B, feature_dim).
        feature_dim: Dimension of these features.
        embedding_dim: Dimension D of the embedding.
        num_expressions: Number E of classes.
        num_landmarks: Number L of landmarks.
    """

    def __init__(
        self,
        backbone: nn.Module,
        feature_dim: int,
        embedding_dim: int,
        num_expressions: int,
        num_landmarks: int,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = ProjectionHead(feature_dim, embedding_dim)
        self.expression_head = ExpressionHead(embedding_dim, num_expressions)
        self.landmark_head = LandmarkHead(embedding_dim, num_landmarks)

    def forward(self, images: Tensor) -> FaceOutputs:
        """Map normalised images, float32 of shape (B, 3, H, W), to the outputs of both tasks.

        In training mode B must be at least 2, because of batch norm.
        """
        embedding = self.projection(self.backbone(images))
        return FaceOutputs(self.expression_head(embedding), self.landmark_head(embedding), embedding)


def build_multitask_model(
    config: ModelConfig, num_landmarks: int, num_expressions: int = 8
) -> MultitaskFaceModel:
    """Build the multitask network with the initial weights of `config.weights`.

    Args:
        config: Backbone, initial weights and embedding dimension.
        num_landmarks: Number of landmarks.
        num_expressions: Number of classes; AffectNet has 8.

    Raises:
        ConfigError: The initial weights cannot be loaded or do not match the backbone.
    """
    return MultitaskFaceModel(
        build_backbone_from(config),
        feature_dim(config.backbone),
        config.embedding_dim,
        num_expressions,
        num_landmarks,
    )
