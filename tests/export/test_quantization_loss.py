"""What integers cost, recomputed by hand for two models whose answers are known."""

from pathlib import Path

import numpy as np
import pytest

from faceml.config.train import SplitConfig
from faceml.datasets.preprocessing import Preprocessing
from faceml.export.agreement import Answer, Answers, Images
from faceml.export.paired_inference import answer_in_turns
from faceml.export.quantization_loss import expression_loss
from faceml.export.split_images import SplitImages, open_split
from faceml.statistics.proportions import paired_shares_interval
from faceml.tables.schema import LANDMARK_SETS

MEASURED = [1, 2, 3, 5, 8, 9, 10, 11, 13, 17, 19, 20]


@pytest.fixture(scope="module")
def split(faces: Path) -> SplitImages:
    config = SplitConfig(table=str(faces / "table"), images=str(faces / "images"))
    return open_split(config, Preprocessing(32), LANDMARK_SETS[5])


def knowing(split: SplitImages, wrong: set[int], shift: float) -> Answer:
    """A model that knows images by their mean, and is wrong about some and about all points."""
    places = {float(split.decoded(i).mean()): i for i in range(len(split))}
    assert len(places) == len(split)

    def answer(images: Images) -> Answers:
        index = places[float(images.mean())]
        label = (int(split.faces.labels[index]) + (index in wrong)) % 8
        points = split.faces.landmarks[index].numpy() + np.float32(shift)
        return {"logits": np.eye(8, dtype=np.float32)[[label]], "landmarks": points[None]}

    return answer


def test_expression_loss__counts_images_and_errors(split: SplitImages) -> None:
    advanced: list[int] = []
    floats, int8 = knowing(split, {1, 3}, 0.01), knowing(split, {3, 5, 8, 20, 4}, 0.03)
    turns = answer_in_turns(split, MEASURED, (floats, int8), advanced.append)
    loss = expression_loss(split, MEASURED, LANDMARK_SETS[5], turns)
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
    assert loss.latency_ms == turns.latency_ms
    assert min(loss.latency_ms) > 0
    assert loss.images == 12


def test_expression_loss__without_landmarks_has_no_error_of_them(split: SplitImages) -> None:
    same = knowing(split, set(), 0.0)
    without = np.flatnonzero(~split.faces.has_landmarks.numpy()).tolist()
    assert len(without) == 4
    turns = answer_in_turns(split, without, (same, same), lambda _: None)
    loss = expression_loss(split, without, LANDMARK_SETS[5], turns)
    assert loss.nme is None
    assert loss.accuracy.difference == 0
    assert loss.accuracy.interval == paired_shares_interval(0, 0, 4)
