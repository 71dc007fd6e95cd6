"""Loss of the expression task.

Shape letters: B images of a batch, E expressions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def expression_cross_entropy(
    logits: Tensor, labels: Tensor, class_weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Return the mean cross-entropy over the batch, each image weighted by its class.

    The weighted sum is divided by B, not by the weights in the batch as `torch.nn.CrossEntropyLoss` does:
    there a batch of one rare class would weigh no more than one of a frequent class, a batch of classes with
    weight 0 would be NaN, and the mean over workers would not be the mean over their images.

    Args:
        logits: float32 of shape (B, E).
        labels: int64 of shape (B,), from 0 to E - 1.
        class_weights: float32 of shape (E,), with mean 1 over the samples, as `inverse_frequency_weights`
            gives them.
        label_smoothing: In [0, 1]; the share of the target that is spread evenly over the classes.
    """
    total = functional.cross_entropy(
        logits, labels, weight=class_weights, label_smoothing=label_smoothing, reduction="sum"
    )
    return total / len(labels)


def inverse_frequency_weights(counts: Sequence[int]) -> Tensor:
    """Return class weights that give every class with samples the same total weight.

    With N samples in K classes that have any, w_c = N / (K·n_c), so that Σ n_c·w_c / N = 1: the size of the
    loss, and with it the right learning rate, stay as they are without weights. A class without samples
    gets 0: it is never a target, and its inverse frequency would be infinite.

    Args:
        counts: Samples of each of the E classes.

    Returns:
        float32 of shape (E,).

    Raises:
        ValueError: No class has a sample.
    """
    samples = torch.tensor(counts, dtype=torch.float64)
    if not samples.any():
        raise ValueError("class weights need at least one labelled sample; the training split has none")
    present = samples > 0
    weights = samples.sum() / (present.sum() * samples)
    return torch.where(present, weights, 0.0).float()
