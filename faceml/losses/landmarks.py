"""Loss of the landmark task.

Shape letters: B images of a batch, L landmarks.
"""

import torch
from torch import Tensor


def masked_mse(
    predicted: Tensor, target: Tensor, has_landmarks: Tensor, normalizer: Tensor | None = None
) -> Tensor:
    """Return the mean squared error over the rows with landmarks and their 2L coordinates.

    Without any such row the loss is exactly 0 and so are its gradients. What stands in the target of a row
    without landmarks, NaN included, has no influence.

    Args:
        predicted: float32 of shape (B, L, 2), normalised coordinates.
        target: float32 of shape (B, L, 2).
        has_landmarks: bool of shape (B,).
        normalizer: Scalar, the number of rows to divide by instead of this batch's. For a batch spread over
            workers whose gradients are averaged: rows with landmarks on all workers / number of workers.
    """
    # `where`, not a product with the mask: 0 * NaN is NaN, in the value and in the gradient.
    error = torch.where(has_landmarks[:, None, None], predicted - target, 0.0)
    rows = has_landmarks.sum() if normalizer is None else normalizer
    coordinates = target.shape[1] * target.shape[2]
    return error.square().sum() / (torch.where(rows > 0, rows, 1) * coordinates)
