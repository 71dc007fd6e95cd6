"""Detection of faces that are plausible."""

from types import TracebackType
from typing import Self

from faceml.images import RgbImage
from faceml.landmarks.detector import FaceObservation, LandmarkDetector
from faceml.landmarks.plausibility import FacePlausibility


class ConfirmedDetector:
    """Detect faces, and reject those that are not plausible.

    Args:
        detector: Detects the faces.

    Attributes:
        num_rejected: Number of faces rejected so far.
    """

    def __init__(self, detector: LandmarkDetector) -> None:
        self._detector = detector
        self._plausibility = FacePlausibility.read()
        self.num_rejected = 0

    def __enter__(self) -> Self:
        self._detector.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._detector.__exit__(kind, error, trace)

    def detect(self, image: RgbImage) -> list[FaceObservation]:
        """Find faces in uint8 RGB of shape (H, W, 3), the largest first."""
        found = self._detector.detect(image)
        plausible = [face for face in found if self._plausibility.is_plausible(image, face.mesh)]
        self.num_rejected += len(found) - len(plausible)
        return plausible
