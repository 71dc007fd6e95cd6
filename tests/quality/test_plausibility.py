"""Plausibility of landmarks: detection of wrong ones, invariance to size, position and rotation."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, strategies as st

from faceml.quality.plausibility import ShapeModel

Array = npt.NDArray[np.float64]
Corrupt = Callable[[Array], Array]
# The ten points of a frontal face in head units: x, y down, and z towards the viewer.
FACE = np.array(
    [
        *[(-45, -40, -10), (-18, -38, 0), (18, -38, 0), (45, -40, -10), (0, 0, 35)],
        *[(0, 12, 22), (-25, 38, 8), (25, 38, 8), (0, 30, 18), (0, 50, 16)],
    ],
    dtype=float,
)


def implausibility(points: Array, pose_deg: Array) -> Array:
    """Return the distances of faces under the model that is fitted to them."""
    return ShapeModel.fit(points, pose_deg).distances(points, pose_deg)


def faces(number: int, seed: int = 0, spread: float = 1.5) -> tuple[Array, Array]:
    """Return landmarks (N, 10, 2) of turned heads that each differ a little, and yaw and pitch (N, 2)."""
    generator = np.random.default_rng(seed)
    pose_deg = generator.normal(0, 12, (number, 2))
    yaw, pitch = np.radians(pose_deg).T[..., None]
    x, y, z = (FACE + generator.normal(0, spread, (number, 10, 3))).transpose(2, 0, 1)
    x, z = x * np.cos(yaw) + z * np.sin(yaw), z * np.cos(yaw) - x * np.sin(yaw)
    y = y * np.cos(pitch) - z * np.sin(pitch)
    return np.stack([x, y], axis=2) + 100, pose_deg


def swap_eyes(points: Array) -> Array:
    return points[[2, 3, 0, 1, 4, 5, 6, 7, 8, 9]]


def shift_mouth(points: Array) -> Array:
    return points + np.array([[0, 0]] * 6 + [[18, 0]] * 4)


def mirror(points: Array) -> Array:
    return points * [-1, 1]


def swap_a_mouth_corner_with_the_nose(points: Array) -> Array:
    return points[[0, 1, 2, 3, 6, 5, 4, 7, 8, 9]]


@pytest.mark.parametrize("corrupt", [swap_eyes, shift_mouth, mirror, swap_a_mouth_corner_with_the_nose])
@pytest.mark.parametrize("number", [40, 3000])
def test_shape_model__a_wrong_set_among_many_ranks_first(number: int, corrupt: Corrupt) -> None:
    points, pose_deg = faces(number)
    points[17] = corrupt(points[17])
    scores = implausibility(points, pose_deg)
    assert scores.argmax() == 17
    assert scores[17] > 2.5 * np.median(scores)


def test_shape_model__many_wrong_sets_do_not_make_themselves_usual() -> None:
    points, pose_deg = faces(2000)
    wrong = np.arange(0, 2000, 15)
    for row in wrong:
        points[row] = shift_mouth(points[row])
    scores = implausibility(points, pose_deg)
    assert len(set(np.argsort(scores)[-len(wrong) :]) & set(wrong)) >= 0.95 * len(wrong)


def test_shape_model__a_shape_of_another_pose_is_implausible_though_it_is_one_of_a_face() -> None:
    points, pose_deg = faces(2000)
    turned = np.argmax(pose_deg[:, 0])
    pose_deg[turned] *= -1
    assert implausibility(points, pose_deg).argmax() == turned


@given(angle=st.floats(-3.2, 3.2), scale=st.floats(0.01, 100), x=st.floats(-1e3, 1e3), y=st.floats(-1e3, 1e3))
def test_shape_model__tilt_size_and_place_of_a_picture_do_not_matter(
    angle: float, scale: float, x: float, y: float
) -> None:
    points, pose_deg = faces(60)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    moved = points.copy()
    moved[5] = points[5] @ np.array([[cosine, sine], [-sine, cosine]]) + [x, y]
    assert implausibility(moved, pose_deg) == pytest.approx(implausibility(points, pose_deg), rel=1e-5)


def test_shape_model__is_a_distance_in_standard_deviations() -> None:
    """The length of D = 16 normal coordinates is chi-distributed, but for the tenth that is not fitted to."""
    scores = implausibility(*faces(20_000, spread=0.5))
    assert np.median(scores) == pytest.approx(np.sqrt(15.338), rel=0.06)  # χ² table, 16 degrees of freedom


@pytest.mark.parametrize("number", [1, 2, 3, 5, 17, 29])
def test_shape_model__few_faces_have_scores_too(number: int) -> None:
    scores = implausibility(*faces(number))
    assert scores.shape == (number,)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()


def test_shape_model__faces_that_are_all_the_same_are_plausible() -> None:
    points, pose_deg = faces(1)
    assert implausibility(points.repeat(50, axis=0), pose_deg.repeat(50, axis=0)).max() < 1e-3


def test_shape_model__no_face_at_all_is_infinitely_far() -> None:
    points, pose_deg = faces(50)
    points[3], points[9, 4, 1], points[11, 0] = 7.0, np.nan, np.inf
    pose_deg[20] = np.nan
    scores = implausibility(points, pose_deg)
    assert set(np.flatnonzero(np.isinf(scores))) == {3, 9, 11}
    assert np.isinf(implausibility(np.ones((2, 10, 2)), np.zeros((2, 2)))).all()


def test_shape_model__fitted_to_some_faces_ranks_others_as_one_fitted_to_all() -> None:
    points, pose_deg = faces(12_000)
    points[-1] = swap_eyes(points[-1])
    model = ShapeModel.fit(points[:4_000].astype(np.float32), pose_deg[:4_000])
    scores = model.distances(points.astype(np.float32), pose_deg)
    assert scores.argmax() == len(points) - 1
    assert np.corrcoef(scores, implausibility(points, pose_deg))[0, 1] > 0.99
