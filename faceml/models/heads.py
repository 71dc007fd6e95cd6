"""Heads of the multitask model.

Shape letters: B images of a batch, D features or embedding dimensions, E classes, K numbers, L landmarks.
"""

import torch
from torch import Tensor, nn


class ProjectionHead(nn.Sequential):
    """Project pooled features (B, D) to the embedding (B, embedding_dim), the input of all task heads.

    Without the ReLU, projection and linear head would be a single linear map of the features.
    """

    def __init__(self, feature_dim: int, embedding_dim: int) -> None:
        super().__init__(
            nn.Linear(feature_dim, embedding_dim, bias=False),  # batch norm adds the bias
            nn.BatchNorm1d(embedding_dim),
            nn.ReLU(),
        )


class ClassHead(nn.Linear):
    """Map the embedding (B, D) to logits (B, E) of classes or labels."""


class NumberHead(nn.Linear):
    """Map the embedding (B, D) to numbers (B, K), near 0 before the training."""

    def __init__(self, embedding_dim: int, num_numbers: int) -> None:
        super().__init__(embedding_dim, num_numbers)
        nn.init.normal_(self.weight, std=1e-3)  # as in `LandmarkHead`
        nn.init.zeros_(self.bias)


class LandmarkHead(nn.Linear):
    """Map the embedding to landmark coordinates, x and y divided by the image's width and height.

    The output is linear: the gradient of a sigmoid vanishes near the borders, and augmentation can move
    landmarks outside [0, 1]. The initial output is the centre of the image.
    """

    def __init__(self, embedding_dim: int, num_landmarks: int) -> None:
        super().__init__(embedding_dim, 2 * num_landmarks)
        # Zero weights would block the gradient to the backbone at first. After batch norm and ReLU the
        # 512 inputs have mean square 1/2, so the outputs deviate by 0.001 * sqrt(256) = 1.6 % of the side.
        nn.init.normal_(self.weight, std=1e-3)
        nn.init.constant_(self.bias, 0.5)

    def forward(self, embedding: Tensor) -> Tensor:
        """Map float32 of shape (B, D) to float32 of shape (B, L, 2)."""
        return torch.unflatten(super().forward(embedding), 1, (-1, 2))
