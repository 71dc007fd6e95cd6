"""What integers cost recognition, for embeddings that are known."""

import numpy as np
import pytest

from faceml.datasets.verification_pairs import draw_pairs
from faceml.export.agreement import Answers
from faceml.export.paired_inference import Turns
from faceml.export.recognition_loss import recognition_loss
from faceml.metrics.verification import verification_accuracy
from faceml.training.verification import score_pairs

PEOPLE = np.repeat(np.arange(20), 5)


def embeddings(noise: float) -> np.ndarray:
    """One direction for each person, and each image somewhere around it; float32 of shape (100, 8)."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(20, 8))[PEOPLE] + noise * rng.normal(size=(100, 8))
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


def answers(found: np.ndarray) -> list[Answers]:
    return [{"embedding": row[None]} for row in found]


def test_recognition_loss__is_the_difference_of_verification_accuracies() -> None:
    pairs = draw_pairs(PEOPLE.tolist(), 400)
    clear, blurred = embeddings(0.3), embeddings(1.5)
    loss = recognition_loss(PEOPLE, pairs, Turns((answers(clear), answers(blurred)), (2.0, 1.0)))
    expected = [
        verification_accuracy(score_pairs(found.astype(np.float64), pairs, PEOPLE))
        for found in (clear, blurred)
    ]
    assert (loss.accuracy.floats, loss.accuracy.int8) == pytest.approx(tuple(expected))
    assert loss.accuracy.difference == pytest.approx(expected[1] - expected[0])
    assert loss.accuracy.interval is not None
    low, high = loss.accuracy.interval
    assert low < loss.accuracy.difference < high < 0
    assert (loss.images, loss.accuracy.count) == (100, len(pairs.same))
    assert (loss.nme, loss.same_expression) == (None, None)


def test_recognition_loss__of_equal_embeddings_is_nothing() -> None:
    pairs = draw_pairs(PEOPLE.tolist(), 400)
    same = answers(embeddings(1.0))
    loss = recognition_loss(PEOPLE, pairs, Turns((same, same), (2.0, 1.0)))
    assert loss.accuracy.difference == 0
    assert loss.accuracy.interval == (0, 0)
