import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, strategies as st

from faceml.landmarks.detector import HeadPose, head_pose, select_points
from faceml.tables.landmark_sets import LANDMARK_SETS

angles = st.floats(-85, 85)


def rotation(axis: int, degrees: float) -> npt.NDArray[np.float64]:
    """Rodrigues' formula: a right-handed rotation about a coordinate axis."""
    cross, angle = np.cross(np.eye(3), np.eye(3)[axis]), np.deg2rad(degrees)
    turned: npt.NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turned


def matrix(yaw: float, pitch: float, roll: float, scale: float = 1.0) -> npt.NDArray[np.float64]:
    whole = np.eye(4)
    whole[:3, :3] = scale * rotation(1, yaw) @ rotation(0, -pitch) @ rotation(2, -roll)
    whole[:3, 3] = (3.0, -2.0, -40.0)
    return whole


def test_rotation__is_right_handed() -> None:
    for axis in range(3):
        after, last = (axis + 1) % 3, (axis + 2) % 3
        np.testing.assert_allclose(rotation(axis, 90) @ np.eye(3)[after], np.eye(3)[last], atol=1e-12)


@given(yaw=angles, pitch=angles, roll=angles, scale=st.floats(0.1, 20))
def test_head_pose__recovers_the_angles_of_a_composed_rotation(
    yaw: float, pitch: float, roll: float, scale: float
) -> None:
    found = head_pose(matrix(yaw, pitch, roll, scale))
    assert (found.yaw_deg, found.pitch_deg, found.roll_deg) == pytest.approx((yaw, pitch, roll), abs=1e-5)


@given(yaw=angles, pitch=angles, roll=angles)
def test_head_pose__a_mirror_negates_yaw_and_roll(yaw: float, pitch: float, roll: float) -> None:
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    found = head_pose(mirror @ matrix(yaw, pitch, roll) @ mirror)
    assert (found.yaw_deg, found.pitch_deg, found.roll_deg) == pytest.approx((-yaw, pitch, -roll), abs=1e-5)


def test_head_pose__signs_are_what_a_viewer_sees() -> None:
    """x is to the viewer's right, y up, z towards the viewer."""
    assert head_pose(np.eye(4)) == HeadPose(0.0, 0.0, 0.0)
    nose = np.array([0.0, 0.0, 1.0])
    assert (rotation(1, 30) @ nose)[0] > 0, "the nose points to the viewer's right"
    assert head_pose(matrix(30, 0, 0)).yaw_deg == pytest.approx(30)
    assert (rotation(0, -30) @ nose)[1] > 0, "the nose points up"
    assert head_pose(matrix(0, 30, 0)).pitch_deg == pytest.approx(30)
    crown = np.array([0.0, 1.0, 0.0])
    assert (rotation(2, -30) @ crown)[0] > 0, "the crown goes right: clockwise"
    assert head_pose(matrix(0, 0, 30)).roll_deg == pytest.approx(30)


def test_head_pose__rounding_beyond_a_right_angle_is_no_error() -> None:
    steep = matrix(0, 90, 0).astype(np.float32)
    steep[1, 2] = np.nextafter(np.float32(1), np.float32(2))
    assert head_pose(steep).pitch_deg == pytest.approx(90, abs=0.1)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_select_points__takes_the_vertices_of_the_design(dimensions: int) -> None:
    mesh = np.random.default_rng(0).random((478, dimensions), dtype=np.float32)
    xy = mesh[:, :2]
    five = [(xy[33] + xy[133]) / 2, (xy[362] + xy[263]) / 2, xy[4], xy[61], xy[291]]
    ten = [xy[vertex] for vertex in (33, 133, 362, 263, 4, 2, 61, 291, 0, 17)]
    for number, expected in ((5, five), (10, ten)):
        points = select_points(mesh, LANDMARK_SETS[number])
        assert points.dtype == np.float32
        np.testing.assert_allclose(points, np.array(expected), rtol=1e-6)


def test_select_points__of_ten_contain_those_of_five() -> None:
    mesh = np.random.default_rng(1).random((478, 3), dtype=np.float32)
    five, ten = (select_points(mesh, LANDMARK_SETS[number]) for number in (5, 10))
    eyes = [ten[list(eye)].mean(axis=0) for eye in (LANDMARK_SETS[10].left_eye, LANDMARK_SETS[10].right_eye)]
    np.testing.assert_allclose(five, [*eyes, ten[4], ten[6], ten[7]], rtol=1e-6)
