"""Cross-entropy of expressions, recomputed from the definition."""

import numpy as np
import pytest
import torch

from faceml.config.losses import LossConfig
from faceml.losses.expression import (
    build_class_weights,
    effective_number_weights,
    expression_cross_entropy,
    inverse_frequency_weights,
)


def by_hand(logits: torch.Tensor, labels: torch.Tensor, weights: np.ndarray, smoothing: float) -> float:
    """Mean over images of -Σ_c w_c q_c log p_c, with q = (1 - ε)·onehot + ε/E."""
    z = logits.double().numpy()
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    q = (1 - smoothing) * np.eye(z.shape[1])[labels.numpy()] + smoothing / z.shape[1]
    return float(-(weights * q * log_p).sum(axis=1).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 0.0, 1.0]])
def test_expression_cross_entropy__equals_its_definition(
    weights: list[float] | None, smoothing: float
) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 1, 3, 2, 0])
    loss = expression_cross_entropy(logits, labels, torch.tensor(weights) if weights else None, smoothing)
    expected = by_hand(logits, labels, np.array(weights or [1.0] * 4), smoothing)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_expression_cross_entropy__a_batch_of_classes_with_weight_0_is_0() -> None:
    loss = expression_cross_entropy(
        torch.randn(3, 2), torch.zeros(3, dtype=torch.int64), torch.tensor([0.0, 1.0])
    )
    assert loss.item() == 0.0


def test_expression_cross_entropy__mean_over_two_workers_is_the_mean_over_their_images() -> None:
    torch.manual_seed(0)
    logits, labels, weights = (
        torch.randn(8, 3),
        torch.tensor([0, 0, 0, 0, 1, 2, 1, 0]),
        torch.tensor([0.5, 2.0, 3.0]),
    )
    halves = [expression_cross_entropy(logits[i : i + 4], labels[i : i + 4], weights) for i in (0, 4)]
    torch.testing.assert_close(sum(halves) / 2, expression_cross_entropy(logits, labels, weights))


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


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_expression_cross_entropy__focal_multiplies_each_image_by_its_formula(
    gamma: float, smoothing: float
) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 1, 3, 2, 0])
    loss = expression_cross_entropy(logits, labels, None, smoothing, gamma).item()
    z = logits.double().numpy()
    p = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))[range(6), labels.numpy()]
    alone = [by_hand(logits[i : i + 1], labels[i : i + 1], np.ones(4), smoothing) for i in range(6)]
    assert loss == pytest.approx(((1 - p) ** gamma * alone).mean(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_expression_cross_entropy__focal_of_a_certain_face_has_finite_gradients(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    expression_cross_entropy(logits, torch.tensor([0, 0]), focal_gamma=gamma).backward()  # type: ignore[no-untyped-call]
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
        build_class_weights(LossConfig.model_validate({"class_weights": kind}), [0, 0])
    assert build_class_weights(LossConfig(), [0, 0]) is None
