"""Cross-entropy of classes and distributions, recomputed from the definition."""

import numpy as np
import pytest
import torch

from faceml.config.sections.losses import CrossEntropyConfig
from faceml.losses.cross_entropy import (
    build_class_weights,
    cross_entropies,
    effective_number_weights,
    inverse_frequency_weights,
)


def by_hand(logits: torch.Tensor, targets: torch.Tensor, weights: np.ndarray, smoothing: float) -> np.ndarray:
    """-Σ_c w_c q_c log p_c of each image, with q = (1 - ε)·target + ε/E."""
    z, t = logits.double().numpy(), targets.numpy()
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    q = (1 - smoothing) * (np.eye(z.shape[1])[t] if t.ndim == 1 else t) + smoothing / z.shape[1]
    return -(weights * q * log_p).sum(axis=1)


TARGETS = {
    "classes": torch.tensor([0, 1, 1, 3, 2, 0]),
    "distributions": torch.tensor(
        [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.1, 0.2, 0.3, 0.4], [0, 0, 0.9, 0.1], [0, 1, 0, 0], [0.25] * 4]
    ),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 0.0, 1.0]])
def test_cross_entropies__equal_their_definition(
    weights: list[float] | None, smoothing: float, kind: str
) -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 4)
    losses = cross_entropies(logits, TARGETS[kind], torch.tensor(weights) if weights else None, smoothing)
    expected = by_hand(logits, TARGETS[kind], np.array(weights or [1.0] * 4), smoothing)
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 1.5])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropies__a_distribution_of_one_class_is_that_class(smoothing: float, gamma: float) -> None:
    torch.manual_seed(0)
    logits, weights = torch.randn(6, 4), torch.tensor([0.5, 2.0, 0.25, 1.0])
    as_classes = cross_entropies(logits, TARGETS["classes"], weights, smoothing, gamma)
    as_shares = cross_entropies(logits, torch.eye(4)[TARGETS["classes"]], weights, smoothing, gamma)
    torch.testing.assert_close(as_classes, as_shares)


def test_cross_entropies__images_of_classes_with_weight_0_are_0() -> None:
    losses = cross_entropies(torch.randn(3, 2), torch.zeros(3, dtype=torch.int64), torch.tensor([0.0, 1.0]))
    assert losses.tolist() == [0.0] * 3


@pytest.mark.parametrize("kind", TARGETS)
def test_cross_entropies__half_precision_is_computed_in_float32(kind: str) -> None:
    logits = torch.randn(6, 4).bfloat16()
    losses = cross_entropies(logits, TARGETS[kind])
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, cross_entropies(logits.float(), TARGETS[kind]))


def test_inverse_frequency_weights__classes_weigh_the_same_and_samples_1_on_average() -> None:
    counts = [74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750]  # AffectNet's training split
    weights = inverse_frequency_weights(counts).double().numpy()
    np.testing.assert_allclose(weights * counts, sum(counts) / 8, rtol=1e-6)
    assert (weights * counts).sum() / sum(counts) == pytest.approx(1.0, rel=1e-6)


def test_inverse_frequency_weights__a_class_without_samples_gets_0() -> None:
    assert inverse_frequency_weights([3, 0, 1]).tolist() == pytest.approx([4 / 6, 0.0, 2.0])


def test_inverse_frequency_weights__no_samples_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one labelled sample"):
        inverse_frequency_weights([0, 0])


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropies__focal_multiplies_each_image_by_its_formula(
    gamma: float, smoothing: float, kind: str
) -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(6, 4), TARGETS[kind]
    losses = cross_entropies(logits, targets, None, smoothing, gamma)
    z = logits.double().numpy()
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    shares = np.eye(4)[targets] if targets.ndim == 1 else targets.numpy()
    factors = (shares * (1 - p) ** gamma).sum(axis=1)
    np.testing.assert_allclose(losses, factors * by_hand(logits, targets, np.ones(4), smoothing), rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_cross_entropies__focal_of_a_certain_face_has_finite_gradients(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    cross_entropies(logits, torch.tensor([0, 0]), focal_gamma=gamma).sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[1].abs().sum() > 0.5


def test_effective_number_weights__are_the_geometric_series_of_the_paper() -> None:
    counts, beta = [5, 500, 20], 0.99
    effective = [sum(beta**i for i in range(count)) for count in counts]
    weights = effective_number_weights(counts, beta).double().numpy()
    np.testing.assert_allclose(weights * effective, (weights * effective)[0], rtol=1e-6)
    assert (weights * counts).sum() / sum(counts) == pytest.approx(1.0, rel=1e-6)


def test_effective_number_weights__go_from_alike_to_inverse_frequency() -> None:
    counts = [3, 0, 40]
    assert effective_number_weights(counts, 0.0).tolist() == [1.0, 0.0, 1.0]
    near = effective_number_weights(counts, 1 - 1e-9)
    torch.testing.assert_close(near, inverse_frequency_weights(counts), rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", ["inverse_frequency", "effective_number"])
def test_build_class_weights__without_samples_is_an_error(kind: str) -> None:
    with pytest.raises(ValueError, match="at least one labelled sample"):
        build_class_weights(CrossEntropyConfig.model_validate({"class_weights": kind}), [0, 0])
    assert build_class_weights(CrossEntropyConfig(), [0, 0]) is None
