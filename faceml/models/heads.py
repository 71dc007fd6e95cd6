"""The heads of the multitask model.

Shape letters: B images of a batch, D features or embedding dimensions, E expressions, L landmarks.
"""

import torch
from torch import Tensor, nn


class ProjectionHead(nn.Sequential):
    """Project pooled features (B, D) to the embedding (B, embedding_dim) that all task heads read.

    The ReLU makes it a layer of its own: without one, a linear head on a linear projection would be a
    single linear map of the features.
    """

    def __init__(self, feature_dim: int, embedding_dim: int) -> None:
        super().__init__(
            nn.Linear(feature_dim, embedding_dim, bias=False),  # the norm has the bias
            nn.BatchNorm1d(embedding_dim),
            nn.ReLU(),
        )


class ExpressionHead(nn.Linear):
    """Map the embedding (B, D) to expression logits (B, E)."""


class LandmarkHead(nn.Linear):
    """Map the embedding to landmark coordinates, x and y divided by the image's width and height.

    The output is plain linear, for two reasons: a sigmoid's gradient vanishes towards the borders, and
    points that a crop or rotation pushed outside [0, 1] could not be reached. It starts in the middle of
    the image, where the mean squared error is that of the mean face instead of that of a face in the corner.
    """

    def __init__(self, embedding_dim: int, num_landmarks: int) -> None:
        super().__init__(embedding_dim, 2 * num_landmarks)
        # Not zero, or no gradient would reach the backbone in the first step. After batch norm and ReLU the
        # 512 inputs have mean square 1/2, so that outputs spread by 0.001 * sqrt(256) = 1.6 % of the side.
        nn.init.normal_(self.weight, std=1e-3)
        nn.init.constant_(self.bias, 0.5)

    def forward(self, embedding: Tensor) -> Tensor:
        """Map float32 of shape (B, D) to float32 of shape (B, L, 2)."""
        return torch.unflatten(super().forward(embedding), 1, (-1, 2))
