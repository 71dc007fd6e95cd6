"""What a landmark detector does, whoever does it."""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from faceml.images import RgbImage

Points = npt.NDArray[np.float32]
"""float32 coordinates normalised by the image's width and height, origin at its top left corner."""


@dataclass(frozen=True)
class HeadPose:
    """Rotation of the head in degrees as the viewer sees it; all zero looks straight into the camera.

    Attributes:
        yaw_deg: Positive turns the face to the viewer's right.
        pitch_deg: Positive looks up.
        roll_deg: Positive tilts the head clockwise.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True)
class FaceObservation:
    """One detected face.

    Attributes:
        mesh: float32 of shape (478, 3): x, y normalised by width, height; z in the scale of x.
        pose: Rotation of the head.
    """

    mesh: Points
    pose: HeadPose

    @property
    def area(self) -> float:
        """Area of the mesh's bounding box, as a fraction of the image."""
        low, high = self.mesh[:, :2].min(axis=0), self.mesh[:, :2].max(axis=0)
        return float(np.prod(high - low))


class LandmarkDetector(Protocol):
    """A detector is a context: it holds native memory that has to be given back."""

    def __enter__(self) -> Self:
        """Load the model."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back the native memory."""
        ...

    def detect(self, image: RgbImage) -> list[FaceObservation]:
        """Find faces in uint8 RGB of shape (H, W, 3), the largest first."""
        ...
