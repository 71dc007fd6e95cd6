"""Angles of the head under flips and rotations of the image.

Shape letters: B faces of a batch.
"""

import torch
from torch import Tensor

from faceml.datasets import Moves

POSE_COLUMNS = ("yaw_deg", "pitch_deg", "roll_deg")
"""Columns of the landmark table: the angles of R = Ry(yaw)·Rx(-pitch)·Rz(-roll), see `faceml.landmarks`."""

NEGATED_POSE = ("yaw_deg", "roll_deg")
"""The angles whose sign a flip changes."""


def move_pose(angles: Tensor, moves: Moves) -> Tensor:
    """Return the angles of the head as seen in flipped and rotated images.

    A flip negates yaw and roll. A rotation of the image turns the head about the axis of view, after its own
    rotation, which changes yaw and pitch too. Scale and translation change no angle.

    Args:
        angles: Yaw, pitch and roll, degrees, float32 of shape (B, 3).
        moves: Moves of the images.
    """
    flipped = torch.where(moves.flips[:, None], angles * angles.new_tensor([-1.0, 1.0, -1.0]), angles)
    yaw, pitch, roll = torch.deg2rad(flipped).unbind(dim=1)
    a, b, c, d = (moves.turns / torch.linalg.det(moves.turns).sqrt()[:, None, None]).flatten(1).unbind(dim=1)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    # y points down in images, and up in the space of the head.
    turned = (
        _matrix(a, -b, zero, -c, d, zero, zero, zero, one)
        @ _matrix(yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos())
        @ _matrix(one, zero, zero, zero, pitch.cos(), pitch.sin(), zero, -pitch.sin(), pitch.cos())
        @ _matrix(roll.cos(), roll.sin(), zero, -roll.sin(), roll.cos(), zero, zero, zero, one)
    )
    right, up, ahead = turned[:, :, 2].unbind(dim=1)
    found = (
        torch.atan2(right, ahead),
        torch.atan2(up, torch.hypot(right, ahead)),
        torch.atan2(-turned[:, 1, 0], turned[:, 1, 1]),
    )
    return torch.rad2deg(torch.stack(found, dim=1))


def _matrix(*rows: Tensor) -> Tensor:
    """Return matrices of shape (B, 3, 3), given their nine elements of shape (B,)."""
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)
