"""Scores of a confusion matrix compared with scikit-learn, intervals with resampled images."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from faceml.metrics.confusion import ConfusionMatrix
from faceml.statistics.proportions import wilson_interval


def answers(images: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted classes, of which 4 never occurs and 3 is rare."""
    rng = np.random.default_rng(seed)
    true = rng.choice(5, images, p=[0.5, 0.3, 0.18, 0.02, 0.0])
    return true, np.where(rng.random(images) < 0.7, true, rng.choice(4, images))


def matrix(true: np.ndarray, predicted: np.ndarray) -> ConfusionMatrix:
    return ConfusionMatrix(confusion_matrix(true, predicted, labels=range(5)))


def test_confusion_matrix__scores_are_those_of_scikit_learn() -> None:
    true, predicted = answers()
    found = matrix(true, predicted)
    assert found.images == 300
    assert found.accuracy == pytest.approx((true == predicted).mean())
    assert found.accuracy_interval() == wilson_interval(int((true == predicted).sum()), 300)
    assert found.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro"))
    expected = precision_recall_fscore_support(true, predicted, labels=range(5), zero_division=np.nan)
    scores = found.class_scores()
    for name, values in zip(("precision", "recall", "f1", "images"), expected, strict=True):
        np.testing.assert_allclose([getattr(score, name) for score in scores], values, rtol=1e-12)
    hits = int(((true == 3) & (predicted == 3)).sum())
    assert scores[3].recall_interval == wilson_interval(hits, scores[3].images)
    assert scores[4].recall_interval == (0.0, 1.0)
    assert scores[3].precision_interval == wilson_interval(hits, int((predicted == 3).sum()))


def test_macro_f1_interval__of_many_images_is_that_of_images_drawn_anew() -> None:
    """With hundreds of images of each class, a bootstrap is an independent way to the same interval."""
    rng = np.random.default_rng(7)
    true = rng.integers(0, 4, 2000)
    predicted = np.where(rng.random(2000) < 0.7, true, rng.integers(0, 4, 2000))
    drawn = []
    for _ in range(500):
        chosen = rng.integers(0, 2000, 2000)
        drawn.append(f1_score(true[chosen], predicted[chosen], average="macro"))
    found = matrix(true, predicted).macro_f1_interval()
    np.testing.assert_allclose(found, np.quantile(drawn, [0.025, 0.975]), atol=0.004)


@pytest.mark.parametrize(
    ("shares", "recall", "images"),
    [
        # A bootstrap that leaves out missing classes covers 88 %, one that holds them 78 %.
        ([150, 120, 50, 35, 4, 20, 29, 1], [0.9, 0.9, 0.5, 0.7, 0.1, 0.2, 0.4, 0.1], 409),
        ([150, 120, 50, 35, 4, 20, 29, 1], [0.9, 0.9, 0.5, 0.7, 0.0, 0.3, 0.45, 0.0], 409),
        ([1] * 8, [0.6] * 8, 400),
        ([1, 1], [0.8, 0.7], 200),
    ],
)
def test_macro_f1_interval__covers_the_true_value_with_rare_classes_too(
    shares: list[float], recall: list[float], images: int
) -> None:
    of_class = np.array(shares) / np.sum(shares)
    cells = (1 - np.array(recall)[:, None]) * of_class / (1 - of_class[:, None])
    np.fill_diagonal(cells, recall)
    cells *= of_class[:, None]
    f1 = 2 * np.diagonal(cells) / (cells.sum(axis=0) + cells.sum(axis=1))
    rng, covered = np.random.default_rng(0), []
    for _ in range(150):
        counts = rng.multinomial(images, cells.ravel()).reshape(cells.shape)
        low, high = ConfusionMatrix(counts).macro_f1_interval()
        occurs = counts.sum(axis=0) + counts.sum(axis=1) > 0
        covered.append(low <= f1[occurs].mean() <= high)
    assert np.mean(covered) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 150)


def test_macro_f1_interval__a_class_without_hits_may_be_recognised_with_more_images() -> None:
    counts = np.array([[90, 10, 0], [10, 90, 0], [1, 0, 0]])
    low, high = ConfusionMatrix(counts).macro_f1_interval()
    assert low < ConfusionMatrix(counts).macro_f1 < high
    # Nought of one: Wilson's upper limit of J is 79 %, of F1 88 %; a third of that is added to the mean.
    assert high - ConfusionMatrix(counts).macro_f1 == pytest.approx(0.885 / 3, abs=0.01)


def test_macro_f1_interval__the_same_matrix_has_the_same() -> None:
    found = matrix(*answers())
    assert found.macro_f1_interval() == found.macro_f1_interval()
    narrow = found.macro_f1_interval(confidence=0.5)
    assert found.macro_f1_interval()[0] < narrow[0] < narrow[1] < found.macro_f1_interval()[1]
