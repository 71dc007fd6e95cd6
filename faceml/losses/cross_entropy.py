"""Cross-entropy of classes or of distributions over classes, and weights of the classes.

Shape letters: B images of a batch, E classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from faceml.config import CrossEntropyConfig


def cross_entropies(
    logits: Tensor,
    targets: Tensor,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    focal_gamma: float = 0.0,
) -> Tensor:
    """Compute the class-weighted cross-entropy of each image in float32.

    The sum over a batch is to be divided by the number of its images, unlike in `torch.nn.CrossEntropyLoss`,
    which divides by the sum of their weights: that would cancel the weights in batches of one class, be NaN
    for batches of weight 0, and make the mean over workers differ from the mean over their images.

    Args:
        logits: Of shape (B, E).
        targets: Classes from 0 to E - 1, int64 of shape (B,); or distributions over the classes, float32 of
            shape (B, E).
        class_weights: float32 of shape (E,), with mean 1 over the samples, as from
            `inverse_frequency_weights`; None for equal weights.
        label_smoothing: Share of the target distributed uniformly over the classes, in [0, 1] (Szegedy et al.
            2016, "Rethinking the Inception architecture", section 7).
        focal_gamma: γ; the loss of each image is multiplied by (1 - p)^γ, p being the probability of its
            class (Lin et al. 2017, "Focal loss", eq. 4); under a distribution by its mean over the classes.

    Returns:
        Of shape (B,).
    """
    logits = logits.float()
    losses = functional.cross_entropy(
        logits, targets, weight=class_weights, label_smoothing=label_smoothing, reduction="none"
    )
    if focal_gamma:
        # 1 - exp(x) could round to 0, where powers below 1 have an infinite gradient.
        limit = -torch.finfo(torch.float32).eps
        others = -torch.expm1(functional.log_softmax(logits, dim=1).clamp(max=limit))
        factors = others.pow(focal_gamma)
        if targets.ndim == 1:
            losses = factors.gather(1, targets[:, None])[:, 0] * losses
        else:
            losses = (factors * targets).sum(dim=1) * losses
    return losses


def effective_number_weights(counts: Sequence[int], beta: float) -> Tensor:
    """Return class weights by the effective number of samples, with mean 1 over the samples.

    w_c ∝ (1 - β) / (1 - β^n_c) (Cui et al. 2019, "Class-balanced loss", eq. 5). β = 0 gives equal weights,
    β → 1 those of `inverse_frequency_weights`. Classes without samples get weight 0.

    Args:
        counts: Number of samples n_c of each of the E classes.
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
    """Return class weights by inverse frequency, with mean 1 over the samples.

    For N samples in K non-empty classes, w_c = N / (K·n_c), so that Σ n_c·w_c / N = 1 and the scale of the
    loss, and so the learning rate, does not change. Classes without samples get weight 0.

    Args:
        counts: Number of samples n_c of each of the E classes.

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


def build_class_weights(config: CrossEntropyConfig, counts: Sequence[int]) -> Tensor | None:
    """Build the class weights of a classification.

    Args:
        config: Kind of weights and β.
        counts: Number of samples of each of the E classes.

    Returns:
        float32 of shape (E,), or None for equal weights.

    Raises:
        ValueError: No class has a sample.
    """
    if config.class_weights == "none":
        return None
    if config.class_weights == "inverse_frequency":
        return inverse_frequency_weights(counts)
    return effective_number_weights(counts, config.effective_number_beta)
