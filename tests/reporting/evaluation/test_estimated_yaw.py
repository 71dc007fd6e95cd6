"""Estimation of the yaw of a rigid face from the positions of nose and eyes."""

import numpy as np
import pytest

from faceml.reporting.evaluation.estimated_yaw import LEAST_FACES, estimate_yaw
from faceml.tables.landmark_sets import LANDMARK_SETS

# Eyes, nose tip and corners of the mouth of a head 10 cm wide, in cm; z points to the viewer.
HEAD_CM = np.array([[-3.2, -3, 2.0], [3.2, -3, 2.0], [0, 0, 4.5], [-2.5, 3, 2.5], [2.5, 3, 2.5]])


def _seen(yaw_deg: np.ndarray, roll_deg: np.ndarray) -> np.ndarray:
    yaw, roll = np.radians(yaw_deg), np.radians(roll_deg)
    x = np.cos(yaw)[:, None] * HEAD_CM[:, 0] + np.sin(yaw)[:, None] * HEAD_CM[:, 2]
    y = np.broadcast_to(HEAD_CM[:, 1], x.shape)
    cos, sin = np.cos(roll)[:, None], np.sin(roll)[:, None]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1) / 30 + 0.5


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_estimate_yaw__of_faces_whose_yaw_is_not_known(rng: np.random.Generator) -> None:
    yaw, roll = rng.uniform(-35, 35, 400), rng.uniform(-30, 30, 400)
    known = np.where(rng.random(400) < 0.8, yaw, np.nan)
    found = estimate_yaw(_seen(yaw, roll), LANDMARK_SETS[5], known)
    assert found is not None
    assert found.faces == np.isfinite(known).sum()
    assert found.correlation > 0.98
    missed = np.isnan(known)
    assert np.abs(found.yaw_deg - yaw)[missed].mean() < 4


def test_estimate_yaw__unrelated_to_the_points_has_no_correlation(rng: np.random.Generator) -> None:
    points = _seen(rng.uniform(-35, 35, 300), np.zeros(300))
    found = estimate_yaw(points, LANDMARK_SETS[5], rng.uniform(-35, 35, 300))
    assert found is not None
    assert found.correlation < 0.2


def test_estimate_yaw__by_constant_points_has_correlation_0(rng: np.random.Generator) -> None:
    still = np.broadcast_to(_seen(np.zeros(1), np.zeros(1)), (50, 5, 2))
    found = estimate_yaw(still, LANDMARK_SETS[5], rng.uniform(-35, 35, 50))
    assert found is not None
    assert found.correlation == 0.0


def test_estimate_yaw__needs_enough_faces() -> None:
    known = np.full(100, np.nan)
    known[: LEAST_FACES - 1] = 0.0
    assert estimate_yaw(_seen(np.zeros(100), np.zeros(100)), LANDMARK_SETS[5], known) is None
