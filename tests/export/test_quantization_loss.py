"""Loss by quantization, recomputed by hand for models of known outputs."""

from pathlib import Path

import numpy as np
import pytest

from faceml.config.train import SplitConfig
from faceml.datasets.preprocessing import Preprocessing
from faceml.datasets.verification_pairs import draw_pairs
from faceml.export.graph import Images, Inference, Outputs
from faceml.export.quantization_loss import (
    PairedOutputs,
    measure_expression_loss,
    measure_verification_loss,
    run_alternately,
)
from faceml.export.split_images import SplitImages, open_split
from faceml.metrics.verification import verification_accuracy
from faceml.statistics.proportions import paired_shares_interval
from faceml.tables.landmark_sets import LANDMARK_SETS
from faceml.training.verification import score_pairs

MEASURED = [1, 2, 3, 5, 8, 9, 10, 11, 13, 17, 19, 20]
PEOPLE = np.repeat(np.arange(20), 5)


@pytest.fixture(scope="module")
def split(faces: Path) -> SplitImages:
    config = SplitConfig(table=str(faces / "table"), images=str(faces / "images"))
    return open_split(config, Preprocessing(32), LANDMARK_SETS[5])


def knowing(split: SplitImages, wrong: set[int], shift: float) -> Inference:
    """Return a model that recognises images by their mean, with errors in some classes and all points."""
    places = {float(split.decoded(i).mean()): i for i in range(len(split))}
    assert len(places) == len(split)

    def infer(images: Images) -> Outputs:
        index = places[float(images.mean())]
        label = (int(split.faces.labels[index]) + (index in wrong)) % 8
        points = split.faces.landmarks[index].numpy() + np.float32(shift)
        return {"logits": np.eye(8, dtype=np.float32)[[label]], "landmarks": points[None]}

    return infer


def test_measure_expression_loss__counts_images_and_errors(split: SplitImages) -> None:
    advanced: list[int] = []
    floats, int8 = knowing(split, {1, 3}, 0.01), knowing(split, {3, 5, 8, 20, 4}, 0.03)
    paired = run_alternately(split, MEASURED, (floats, int8), advanced.append)
    loss = measure_expression_loss(split, MEASURED, LANDMARK_SETS[5], paired)
    assert advanced == [1] * 12
    assert (loss.accuracy.floats, loss.accuracy.int8) == (pytest.approx(10 / 12), pytest.approx(8 / 12))
    assert loss.accuracy.difference == pytest.approx(-2 / 12)
    assert loss.accuracy.interval == paired_shares_interval(1, 3, 12)
    assert loss.same_expression == pytest.approx(8 / 12)
    assert loss.nme is not None
    with_points = [i for i in MEASURED if split.faces.has_landmarks[i]]
    assert loss.nme.count == len(with_points) == 10
    between_eyes = [
        np.hypot(*(split.faces.landmarks[i][1] - split.faces.landmarks[i][0]).numpy()) for i in with_points
    ]
    errors = np.sqrt(2) / np.array(between_eyes)
    assert loss.nme.floats == pytest.approx(0.01 * errors.mean(), rel=1e-3)
    assert loss.nme.int8 == pytest.approx(0.03 * errors.mean(), rel=1e-3)
    assert loss.nme.interval is not None
    margin = 2.262157 * (0.02 * errors).std(ddof=1) / np.sqrt(10)  # Student's t of 9 degrees of freedom
    expected = (0.02 * errors.mean() - margin, 0.02 * errors.mean() + margin)
    assert loss.nme.interval == pytest.approx(expected, rel=1e-3)
    assert loss.latency_ms == paired.latency_ms
    assert min(loss.latency_ms) > 0
    assert loss.images == 12


def test_measure_expression_loss__without_landmarks_has_no_error_of_them(split: SplitImages) -> None:
    same = knowing(split, set(), 0.0)
    without = np.flatnonzero(~split.faces.has_landmarks.numpy()).tolist()
    assert len(without) == 4
    paired = run_alternately(split, without, (same, same), lambda _: None)
    loss = measure_expression_loss(split, without, LANDMARK_SETS[5], paired)
    assert loss.nme is None
    assert loss.accuracy.difference == 0
    assert loss.accuracy.interval == paired_shares_interval(0, 0, 4)


def embeddings(noise: float) -> np.ndarray:
    """One direction for each person, and each image somewhere around it; float32 of shape (100, 8)."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(20, 8))[PEOPLE] + noise * rng.normal(size=(100, 8))
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


def outputs(found: np.ndarray) -> list[Outputs]:
    return [{"embedding": row[None]} for row in found]


def test_measure_verification_loss__is_the_difference_of_verification_accuracies() -> None:
    pairs = draw_pairs(PEOPLE.tolist(), 400)
    clear, blurred = embeddings(0.3), embeddings(1.5)
    loss = measure_verification_loss(
        PEOPLE, pairs, PairedOutputs((outputs(clear), outputs(blurred)), (2.0, 1.0))
    )
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


def test_measure_verification_loss__of_equal_embeddings_is_zero() -> None:
    pairs = draw_pairs(PEOPLE.tolist(), 400)
    same = outputs(embeddings(1.0))
    loss = measure_verification_loss(PEOPLE, pairs, PairedOutputs((same, same), (2.0, 1.0)))
    assert loss.accuracy.difference == 0
    assert loss.accuracy.interval == (0, 0)
