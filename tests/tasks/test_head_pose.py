"""Angles of the head under flips and rotations of the image, by matrices and against MediaPipe."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, strategies as st

from faceml.datasets.augmentation import Moves, frame, move_pixels
from faceml.landmarks.detector import head_pose
from faceml.landmarks.mediapipe_detector import MediaPipeDetector
from faceml.synthetic.expression import sample_expression
from faceml.synthetic.person import sample_person
from faceml.synthetic.render import render_face
from faceml.synthetic.scene import sample_scene
from faceml.tasks.head_pose import move_pose

Matrix = npt.NDArray[np.float64]
angle = st.floats(-60, 60)


def moves_of(flip: bool, turn_deg: float, zoom: float = 1.0) -> Moves:
    """A flip, then a clockwise rotation (y points down in images) and a zoom."""
    turn = np.radians(turn_deg)
    rotation = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return Moves(
        torch.tensor([flip]), torch.tensor(rotation[None], dtype=torch.float32), torch.tensor([[0.1, -0.2]])
    )


def about(axis: int, degrees: float) -> Matrix:
    """Rotation about an axis of a right-handed space by the right-hand rule."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix, (one, other) = np.eye(3), [(axis + 1) % 3, (axis + 2) % 3]
    matrix[one, one] = matrix[other, other] = cos
    matrix[one, other], matrix[other, one] = -sin, sin
    return matrix


@given(st.tuples(angle, angle, angle), st.booleans(), st.floats(-60, 60), st.floats(0.5, 2))
def test_move_pose__is_that_of_the_mirrored_and_turned_head(
    angles: tuple[float, float, float], flip: bool, turn_deg: float, zoom: float
) -> None:
    yaw, pitch, roll = angles
    head = about(1, yaw) @ about(0, -pitch) @ about(2, -roll)
    if flip:  # mirrored in the plane x = 0, in the camera's space and in that of a symmetric face
        mirror = np.diag([-1.0, 1.0, 1.0])
        head = mirror @ head @ mirror
    head = about(2, -turn_deg) @ head  # clockwise for a viewer on the positive z axis
    transformation = np.eye(4)
    transformation[:3, :3] = head
    expected = head_pose(transformation)
    found = move_pose(torch.tensor([angles], dtype=torch.float32), moves_of(flip, turn_deg, zoom))[0]
    wanted = np.array([expected.yaw_deg, expected.pitch_deg, expected.roll_deg])
    # Near ±90° of pitch, yaw and roll turn about the same axis.
    if abs(wanted[1]) < 80:
        difference = (found.numpy() - wanted + 180) % 360 - 180
        np.testing.assert_allclose(difference, 0, atol=0.05)


def test_move_pose__of_a_batch_moves_each_head_by_its_own() -> None:
    angles = torch.tensor([[10.0, 5.0, -3.0]] * 3)
    each = [moves_of(False, 0), moves_of(True, 0), moves_of(False, 30)]
    moved = move_pose(angles, Moves(*(torch.cat(parts) for parts in zip(*each, strict=True))))
    torch.testing.assert_close(moved[0], angles[0])
    torch.testing.assert_close(moved[1], torch.tensor([-10.0, 5.0, 3.0]))
    assert moved[2, 2].item() == pytest.approx(27, abs=0.5)


def test_move_pose__agrees_with_what_mediapipe_finds_in_moved_faces(detector: MediaPipeDetector) -> None:
    def pose(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        (face,) = detector.detect(np.ascontiguousarray(image))
        return np.array([face.pose.yaw_deg, face.pose.pitch_deg, face.pose.roll_deg])

    errors, changes = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        image, _ = render_face(sample_person(rng), sample_expression(seed, rng), sample_scene(rng), 256)
        before = pose(image)
        framed, inside = frame(torch.from_numpy(image).permute(2, 0, 1)[None], torch.full((3, 1, 1), 0.5))
        inside.copy_(torch.from_numpy(image).permute(2, 0, 1) / 255)
        for flip, turn_deg in ((True, 0.0), (False, 25.0), (False, -25.0), (True, 25.0)):
            moves = moves_of(flip, turn_deg, zoom=0.9)._replace(shifts=torch.zeros(1, 2))
            pixels = (255 * move_pixels(framed, moves)[0]).round().byte().permute(1, 2, 0).numpy()
            found = pose(pixels)
            expected = move_pose(torch.tensor(before[None], dtype=torch.float32), moves)[0].numpy()
            errors.append(np.abs(found - expected))
            changes.append(np.abs(found - before))
    assert (np.median(errors, axis=0) < [1.0, 1.0, 0.5]).all()
    assert (np.max(errors, axis=0) < 4).all()
    assert np.max(changes, axis=0)[2] > 20
