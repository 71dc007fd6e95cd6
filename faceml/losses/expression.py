"""Loss of the expression task.

Shape letters: B images of a batch, E expressions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from faceml.config import LossConfig


def expression_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    focal_gamma: float = 0.0,
) -> Tensor:
    """Return the mean cross-entropy over the batch, each image weighted by its class, in float32.

    The weighted sum is divided by B, not by the weights in the batch as `torch.nn.CrossEntropyLoss` does:
    there a batch of one rare class would weigh no more than one of a frequent class, a batch of classes with
    weight 0 would be NaN, and the mean over workers would not be the mean over their images.

    Args:
        logits: Of shape (B, E).
        labels: int64 of shape (B,), from 0 to E - 1.
        class_weights: float32 of shape (E,), with mean 1 over the samples, as `inverse_frequency_weights`
            gives them.
        label_smoothing: In [0, 1]; the share of the target that is spread evenly over the classes.
        focal_gamma: γ; each image's loss is multiplied by (1 - p)^γ with p the probability of its label
            (Lin et al. 2017, "Focal loss", eq. 4).
    """
    logits = logits.float()
    losses = functional.cross_entropy(
        logits, labels, weight=class_weights, label_smoothing=label_smoothing, reduction="none"
    )
    if focal_gamma:
        right = functional.log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]
        # 1 - exp(x) would be 0 for a face that is all but certain, where a power below 1 has no slope.
        others = -torch.expm1(right.clamp(max=-torch.finfo(torch.float32).eps))
        losses = others.pow(focal_gamma) * losses
    return losses.sum() / len(labels)


def effective_number_weights(counts: Sequence[int], beta: float) -> Tensor:
    """Return class weights by the effective number of samples, with mean 1 over the samples.

    w_c ∝ (1 - β) / (1 - β^n_c) (Cui et al. 2019, "Class-balanced loss", eq. 5): a further sample of a class
    is worth the less the more there are. β = 0 weighs all classes alike, β → 1 as
    `inverse_frequency_weights`. A class without samples gets 0.

    Args:
        counts: Samples n_c of each of the E classes.
        beta: β, in [0, 1).

    Returns:
        float32 of shape (E,).

    Raises:
        ValueError: No class has a sample.
    """
    samples = torch.tensor(counts, dtype=torch.float64)
    effective = (1 - beta**samples) / (1 - beta)
    return _with_mean_1(torch.where(samples > 0, 1 / effective, 0.0), samples)


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
    return _with_mean_1(torch.where(samples > 0, 1 / samples, 0.0), samples)


def _with_mean_1(weights: Tensor, samples: Tensor) -> Tensor:
    if not samples.any():
        raise ValueError("class weights need at least one labelled sample; the training split has none")
    return (weights * samples.sum() / (weights * samples).sum()).float()


def build_class_weights(config: LossConfig, counts: Sequence[int]) -> Tensor | None:
    """Return the weights of E classes with so many samples, or None if all weigh alike."""
    if config.class_weights == "none":
        return None
    if config.class_weights == "inverse_frequency":
        return inverse_frequency_weights(counts)
    return effective_number_weights(counts, config.effective_number_beta)
