"""MediaPipe FaceMesh as a landmark detector; the only module that imports mediapipe."""

import ctypes
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from faceml.images import RgbImage
from faceml.landmarks.detector import FaceObservation, Points
from faceml.landmarks.face_geometry import FaceGeometry
from faceml.landmarks.late_modules import load_late
from faceml.stderr_filter import StderrFilter

# For drawing and for sound. They take half of all imports, and one of them runs a compiler.
with load_late("matplotlib", "matplotlib.pyplot", "sounddevice"):
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision
    from mediapipe.tasks.python.core import mediapipe_c_utils
    from mediapipe.tasks.python.vision import face_landmarker

MEDIAPIPE_VERSION: str = mp.__version__

START_UP_LINES = (
    "Logging before InitGoogle()",
    "Sets FaceBlendshapesGraph acceleration",
    "Created TensorFlow Lite XNNPACK delegate",
    "Feedback manager requires a model with a single signature",
)


class MediaPipeDetector:
    """FaceMesh of single images; the video modes would track a face from one image into the next.

    Args:
        model_path: A verified `face_landmarker.task`, see `faceml.landmarks.model_bundle`.
        max_faces: Most faces detected in an image.
        min_detection_confidence: Score from 0 to 1 below which a face is not reported.
    """

    def __init__(self, model_path: Path, max_faces: int = 1, min_detection_confidence: float = 0.5) -> None:
        self._options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model_path)),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=max_faces,
            min_face_detection_confidence=min_detection_confidence,
        )
        self._geometry = FaceGeometry.read(model_path)
        self._landmarker: Any = None

    def __enter__(self) -> Self:
        with StderrFilter(START_UP_LINES):
            self._landmarker = vision.FaceLandmarker.create_from_options(self._options)
            # The graph's threads finish their start-up, and log it, during the first detection.
            self.detect(np.zeros((64, 64, 3), dtype=np.uint8))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # If left to the garbage collector, closing happens at interpreter exit and prints a TypeError.
        self._landmarker.close()
        self._landmarker = None

    def detect(self, image: RgbImage) -> list[FaceObservation]:
        """Find faces in uint8 RGB of shape (H, W, 3), the largest first."""
        height, width = image.shape[:2]
        pixels = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        found = [
            FaceObservation(mesh, self._geometry.estimate_pose(mesh, width, height))
            for mesh in _detect_meshes(self._landmarker, pixels)
        ]
        return sorted(found, key=lambda face: face.box.area, reverse=True) if len(found) > 1 else found


def _detect_meshes(landmarker: Any, image: mp.Image) -> list[Points]:
    """Return the mesh of each face, of shape (478, 3).

    MediaPipe's own `detect` creates a Python object for each of the 478 points and passes every call to a
    thread, which costs a tenth of the total time of an image of 350 px. A test compares both.
    """
    found, message = face_landmarker.MpFaceLandmarkerResultC(), ctypes.c_char_p()
    library = landmarker._lib._lib
    with ExitStack() as cleanup:
        status = library.MpFaceLandmarkerDetectImage(
            landmarker._handle, image._image_ptr, None, ctypes.byref(found), ctypes.byref(message)
        )
        mediapipe_c_utils.handle_status(status, message)
        cleanup.callback(library.MpFaceLandmarkerCloseResult, ctypes.byref(found))
        return [_as_mesh(found.face_landmarks[i]) for i in range(found.face_landmarks_count)]


def _as_mesh(points: Any) -> Points:
    """Copy x, y and z, the first fields of the C structure of a point."""
    count, size = points.landmarks_count, ctypes.sizeof(points.landmarks.contents)
    raw = np.frombuffer(ctypes.string_at(points.landmarks, count * size), dtype=np.float32)
    return raw.reshape(count, -1)[:, :3].copy()
