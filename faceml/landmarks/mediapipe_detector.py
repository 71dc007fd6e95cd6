"""MediaPipe FaceMesh as a landmark detector; the one place that imports mediapipe."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

from faceml.images import RgbImage
from faceml.landmarks.detector import FaceObservation
from faceml.landmarks.pose import head_pose
from faceml.native_log import NativeLogFilter

MEDIAPIPE_VERSION: str = mp.__version__

START_UP_LINES = (
    "Logging before InitGoogle()",
    "Sets FaceBlendshapesGraph acceleration",
    "Created TensorFlow Lite XNNPACK delegate",
    "Feedback manager requires a model with a single signature",
)


class MediaPipeDetector:
    """FaceMesh of single images: the tracking of video modes would carry one face into the next image.

    Args:
        model_path: A verified `face_landmarker.task`, see `faceml.landmarks.model_bundle`.
        max_faces: Most faces looked for in an image.
        min_detection_confidence: Score from 0 to 1 below which there is no face.
    """

    def __init__(self, model_path: Path, max_faces: int = 1, min_detection_confidence: float = 0.5) -> None:
        self._options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model_path)),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=max_faces,
            min_face_detection_confidence=min_detection_confidence,
            output_facial_transformation_matrixes=True,
        )
        self._landmarker: Any = None

    def __enter__(self) -> Self:
        with NativeLogFilter(START_UP_LINES):
            self._landmarker = vision.FaceLandmarker.create_from_options(self._options)
            # The graph's threads finish their start-up, and what they say of it, during a first detection.
            self.detect(np.zeros((64, 64, 3), dtype=np.uint8))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Left to the garbage collector, closing happens at interpreter exit and prints a TypeError.
        self._landmarker.close()
        self._landmarker = None

    def detect(self, image: RgbImage) -> list[FaceObservation]:
        """Find faces in uint8 RGB of shape (H, W, 3), the largest first."""
        pixels = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        result = self._landmarker.detect(pixels)
        faces = [
            FaceObservation(
                mesh=np.array([(point.x, point.y, point.z) for point in mesh], dtype=np.float32),
                pose=head_pose(np.asarray(matrix)),
            )
            for mesh, matrix in zip(result.face_landmarks, result.facial_transformation_matrixes, strict=True)
        ]
        return sorted(faces, key=lambda face: face.area, reverse=True)
