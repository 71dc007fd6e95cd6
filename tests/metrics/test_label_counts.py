"""F1 of labels and its intervals."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from faceml.metrics.label_counts import LabelCounts


def counts_of(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts by annotation and prediction, of shape (K, 2, 2), of arrays of shape (N, K)."""
    cells = [[((truth == a) & (predicted == b)).sum(axis=0) for b in (0, 1)] for a in (0, 1)]
    return np.array(cells).transpose(2, 0, 1)


def test_f1__agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.random((2, 200, 4)) < 0.3
    found = LabelCounts(counts_of(truth, predicted))
    expected = [f1_score(truth[:, k], predicted[:, k]) for k in range(4)]
    np.testing.assert_allclose(found.f1(), expected)
    assert found.images.tolist() == [200] * 4


def test_f1__of_a_label_that_is_neither_annotated_nor_predicted_is_nan() -> None:
    found = LabelCounts(np.array([[[9, 0], [0, 0]], [[8, 1], [0, 0]]]))
    assert np.isnan(found.f1()[0])
    assert found.f1()[1] == 0
    assert np.isnan(found.f1_intervals()[0]).all()
    assert found.macro_f1_interval() == pytest.approx(found.f1_intervals()[1])


@pytest.mark.parametrize("images", [60, 1000])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_f1_intervals__cover_the_true_value(share: float, images: int) -> None:
    rng, hit, false_alarm = np.random.default_rng(images), 0.8, 0.1
    positives = share * hit
    true_f1 = 2 * positives / (share + positives + (1 - share) * false_alarm)
    covered = 0
    for _ in range(400):
        truth = rng.random((images, 1)) < share
        predicted = rng.random((images, 1)) < np.where(truth, hit, false_alarm)
        ((low, high),) = LabelCounts(counts_of(truth, predicted)).f1_intervals()
        covered += bool(low <= true_f1 <= high)
    assert 0.92 <= covered / 400 <= 0.98


def test_macro_f1_interval__covers_whether_labels_are_independent_or_the_same() -> None:
    rng = np.random.default_rng(0)
    true_f1 = 2 * 0.24 / (0.3 + 0.24 + 0.07)
    for is_shared in (False, True):
        covered = 0
        for _ in range(300):
            chance = rng.random((2, 200, 1 if is_shared else 3))
            truth, chance = np.broadcast_to(chance[0] < 0.3, (200, 3)), np.broadcast_to(chance[1], (200, 3))
            predicted = chance < np.where(truth, 0.8, 0.1)
            low, high = LabelCounts(counts_of(truth, predicted)).macro_f1_interval()
            covered += low <= true_f1 <= high
        assert covered / 300 >= 0.92
