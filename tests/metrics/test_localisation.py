"""Errors of landmarks against annotations, recomputed face by face."""

import numpy as np

from faceml.images.box import Box
from faceml.metrics.localisation import FAILURE_NME, LocalisationErrors

ANNOTATED = np.array([[0.0, 0], [100, 0], [50, 40], [20, 80], [80, 80]])


def moved(x: float, y: float) -> np.ndarray:
    return ANNOTATED + np.array([x, y])


def compared(*found: np.ndarray) -> LocalisationErrors:
    count = len(found)
    boxes = [Box(-20, -20, 120, 100)] * count
    return LocalisationErrors.of(np.stack(found), np.stack([ANNOTATED] * count), np.full(count, 100.0), boxes)


def test_localisation_errors__of_known_shifts() -> None:
    one_point = ANNOTATED.copy()
    one_point[2] += (30, 40)
    missed = np.full_like(ANNOTATED, np.nan)
    errors = compared(ANNOTATED, moved(3, 4), one_point, moved(0, 9), moved(400, 400), missed)
    np.testing.assert_allclose(errors.of_faces[:5], [0, 0.05, 0.1, 0.09, 4 * np.sqrt(2)])
    np.testing.assert_allclose(errors.of_points[2], [0, 0, 0.5, 0, 0])
    assert errors.is_missed.tolist() == [False] * 5 + [True]
    assert errors.is_other.tolist() == [False] * 4 + [True, False]
    assert errors.is_matched.tolist() == [True] * 4 + [False] * 2
    assert errors.is_failure.tolist() == [False, False, True, True, True, True]


def test_localisation_errors__area_is_that_below_the_cumulative_curve() -> None:
    rng = np.random.default_rng(0)
    errors = compared(*(moved(shift, 0) for shift in rng.uniform(0, 12, 40)), moved(400, 400))
    grid = np.linspace(0, FAILURE_NME, 200_001)
    curve = [(errors.of_faces <= error).mean() for error in grid[::100]]
    expected = np.trapezoid(curve, grid[::100]) / FAILURE_NME
    assert abs(errors.areas.mean() - expected) < 1e-3


def test_localisation_errors__a_face_beside_the_annotated_one_is_another() -> None:
    edge = 50 + 70 - ANNOTATED.mean(axis=0)[0]  # the square is 140 px wide, around (50, 40)
    errors = compared(moved(edge - 0.5, 0), moved(edge + 0.5, 0), moved(0, 71))
    assert errors.is_other.tolist() == [False, True, True]
