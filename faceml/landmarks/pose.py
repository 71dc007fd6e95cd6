"""Head pose from MediaPipe's facial transformation matrix."""

import math

import numpy as np
import numpy.typing as npt

from faceml.landmarks.detector import HeadPose


def head_pose(matrix: npt.NDArray[np.floating]) -> HeadPose:
    """Return the angles of a face's rotation.

    Args:
        matrix: float of shape (4, 4), canonical face to camera space: x to the viewer's right, y up, z
            towards the viewer. Its rotation may be scaled, in all directions alike.

    Returns:
        Angles of R = Ry(yaw) · Rx(-pitch) · Rz(-roll).
    """
    (_, _, right, _), (across, up_across, up, _), (_, _, ahead, _), _ = matrix.tolist()
    return HeadPose(
        yaw_deg=math.degrees(math.atan2(right, ahead)),
        pitch_deg=math.degrees(math.atan2(up, math.hypot(right, ahead))),
        roll_deg=math.degrees(math.atan2(-across, up_across)),
    )
