"""Head pose from MediaPipe's facial transformation matrix."""

import math

import numpy as np
import numpy.typing as npt

from faceml.landmarks.detector import HeadPose


def head_pose(matrix: npt.NDArray[np.floating]) -> HeadPose:
    """Return the angles of a face's rotation.

    Args:
        matrix: float of shape (4, 4), canonical face to camera space: x to the viewer's right, y up, z
            towards the viewer. Its rotation may be scaled.

    Returns:
        Angles of R = Ry(yaw) · Rx(-pitch) · Rz(-roll).
    """
    rotation = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    forward = rotation[:, 2]
    return HeadPose(
        yaw_deg=math.degrees(math.atan2(forward[0], forward[2])),
        pitch_deg=math.degrees(math.asin(float(np.clip(forward[1], -1.0, 1.0)))),
        roll_deg=math.degrees(math.atan2(-rotation[1, 0], rotation[1, 1])),
    )
