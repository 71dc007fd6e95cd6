"""The network of pretraining: one backbone, two tasks.

Shape letters: B images of a batch, D embedding dimensions, E expressions, L landmarks.
"""

from typing import NamedTuple

from torch import Tensor, nn

from faceml.config import ModelConfig
from faceml.models.backbone import FaceModel, build_backbone_from, feature_dim
from faceml.models.heads import ExpressionHead, LandmarkHead, ProjectionHead


class FaceOutputs(NamedTuple):
    """What the network says about a batch of faces.

    Attributes:
        logits: float32 of shape (B, E), unnormalised log-probabilities of the expressions.
        landmarks: float32 of shape (B, L, 2), x and y divided by the image's width and height.
        embedding: float32 of shape (B, D), what both heads read.
    """

    logits: Tensor
    landmarks: Tensor
    embedding: Tensor


class MultitaskFaceModel(FaceModel):
    """Expression and landmarks from one shared backbone.

    The keys of its state dict start with `backbone.`, `projection.`, `expression_head.` and
    `landmark_head.`; scripts that take the backbone out of a checkpoint rely on that.

    Args:
        backbone: Maps images (B, 3, H, W) to features (B, feature_dim).
        feature_dim: Width of those features.
        embedding_dim: Width D of the projection.
        num_expressions: Number E of classes.
        num_landmarks: Number L of points.
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

        In training mode B must be at least 2: batch statistics of a single face do not exist.
        """
        embedding = self.projection(self.backbone(images))
        return FaceOutputs(self.expression_head(embedding), self.landmark_head(embedding), embedding)


def build_multitask_model(
    config: ModelConfig, num_landmarks: int, num_expressions: int = 8
) -> MultitaskFaceModel:
    """Build the network of pretraining, its backbone started from `config.weights`.

    Args:
        config: Backbone, starting weights, embedding width.
        num_landmarks: Points of the landmark set.
        num_expressions: Classes; AffectNet has 8.

    Raises:
        ConfigError: The starting weights cannot be had or do not fit.
    """
    return MultitaskFaceModel(
        build_backbone_from(config),
        feature_dim(config.backbone),
        config.embedding_dim,
        num_expressions,
        num_landmarks,
    )
