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


def test_macro_f1_interval__is_that_of_images_drawn_anew() -> None:
    true, predicted = answers()
    rng = np.random.default_rng(7)
    drawn = []
    for _ in range(1000):
        chosen = rng.integers(0, 300, 300)
        options = {"labels": range(4), "average": "macro", "zero_division": 0.0}
        drawn.append(f1_score(true[chosen], predicted[chosen], **options))
    found = matrix(true, predicted).macro_f1_interval()
    np.testing.assert_allclose(found, np.quantile(drawn, [0.025, 0.975]), atol=0.012)
    assert found[0] < matrix(true, predicted).macro_f1 < found[1]


def test_macro_f1_interval__has_the_classes_of_the_whole_sample_in_every_resample() -> None:
    """Classes of 4 and 1 images that are never recognised: a resample without them is not better for it."""
    images, hits = [150, 120, 50, 35, 4, 20, 29, 1], [135, 108, 25, 24, 0, 4, 12, 0]
    counts = np.diag(hits)
    for true, (image, hit) in enumerate(zip(images, hits, strict=True)):
        counts[true, 1 if true == 0 else 0] += image - hit
    found = ConfusionMatrix(counts)
    low, high = found.macro_f1_interval()
    assert found.macro_f1 == pytest.approx((low + high) / 2, abs=0.01)
    assert high - low < 0.11


def test_macro_f1_interval__the_same_matrix_has_the_same() -> None:
    found = matrix(*answers())
    assert found.macro_f1_interval() == found.macro_f1_interval()
    narrow = found.macro_f1_interval(confidence=0.5)
    assert found.macro_f1_interval()[0] < narrow[0] < narrow[1] < found.macro_f1_interval()[1]
