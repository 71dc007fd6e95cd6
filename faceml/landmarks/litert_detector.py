"""FaceMesh as a landmark detector that runs MediaPipe's networks without its graph.

The only module that imports ai_edge_litert. The steps between the networks are those of MediaPipe's
`face_landmarker_graph.cc`, and the numbers in them its constants.
"""

import math
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from faceml.config import MESH_POINTS
from faceml.images import RgbImage
from faceml.landmarks.blazeface import BlazeFaceDecoder, FaceDetection, letterbox
from faceml.landmarks.detector import FaceObservation, Points
from faceml.landmarks.face_geometry import FaceGeometry
from faceml.stderr_filter import StderrFilter

SIDE_PX = 256
"""Side of the landmark network's input."""
STEPS = np.arange(SIDE_PX) / SIDE_PX
"""Places of the input's pixels in fractions of its side; the first has its corner as MediaPipe's."""
REGION_SCALE = 1.5
"""Sides of the region of the landmark network, in sides of the detector's box."""
MIN_PRESENCE = 0.0
"""Score of the landmark network, before the sigmoid, at or below which its input shows no face."""
START_UP_LINES = ("Created TensorFlow Lite XNNPACK delegate",)


class LiteRtDetector:
    """Landmarks of MediaPipe's face landmarker, on average within 0.02 % of the eye distance of its own.

    Args:
        model_path: A verified `face_landmarker.task`, see `faceml.landmarks.model_bundle`.
        max_faces: Most faces detected in an image.
        min_detection_confidence: Score from 0 to 1 below which a face is not reported.
    """

    def __init__(self, model_path: Path, max_faces: int = 1, min_detection_confidence: float = 0.5) -> None:
        self._model_path = model_path
        self._decoder = BlazeFaceDecoder(min_detection_confidence, max_faces)
        self._geometry = FaceGeometry.read(model_path)
        self._detector: _Network
        self._landmarker: _Network

    def __enter__(self) -> Self:
        with zipfile.ZipFile(self._model_path) as files, StderrFilter(START_UP_LINES):
            self._detector = _Network(files.read("face_detector.tflite"), -1.0, 1.0)
            self._landmarker = _Network(files.read("face_landmarks_detector.tflite"), 0.0, 1.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._detector, self._landmarker

    def detect(self, image: RgbImage) -> list[FaceObservation]:
        """Find faces in uint8 RGB of shape (H, W, 3), the largest first."""
        height, width = image.shape[:2]
        values, logits = self._detector.run(letterbox(image))
        found = []
        for detection in self._decoder.decode(values[0], logits[0, :, 0], width, height):
            region = FaceRegion.of(detection)
            coordinates, presence = self._landmarker.run(region.crop(image))
            if presence.item() > MIN_PRESENCE:
                mesh = region.place(coordinates.reshape(MESH_POINTS, 3) / np.float32(SIDE_PX), width, height)
                found.append(FaceObservation(mesh, self._geometry.estimate_pose(mesh, width, height)))
        return sorted(found, key=lambda face: face.box.area, reverse=True) if len(found) > 1 else found


class FaceRegion:
    """Part of an image around a face whose eyes are level in it.

    Args:
        center: x and y of the middle in px.
        size: Width and height in px.
        angle: Clockwise rotation in radians.
    """

    def __init__(self, center: tuple[float, float], size: tuple[float, float], angle: float) -> None:
        cos, sin = math.cos(angle), math.sin(angle)
        axes = np.array([[cos * size[0], -sin * size[1]], [sin * size[0], cos * size[1]]])
        self._to_image = np.column_stack([axes, center - axes.sum(axis=1) / 2])

    @classmethod
    def of(cls, detection: FaceDetection) -> Self:
        """Return the region of a detected face."""
        (left_x, left_y), (right_x, right_y) = detection.points[:2].tolist()
        width, height = detection.size
        angle = math.atan2(right_y - left_y, right_x - left_x)
        return cls(detection.center, (width * REGION_SCALE, height * REGION_SCALE), angle)

    def crop(self, image: RgbImage) -> RgbImage:
        """Return the region, with the image's edge repeated beyond it, as uint8 of shape (256, 256, 3)."""
        along_x, along_y, origin = self._to_image.T[..., None]
        columns, rows = along_x * STEPS + origin, along_y * STEPS
        places = columns.astype(np.float32)[:, None] + rows.astype(np.float32)[..., None]
        # Fixed-point fractions of a pixel, as MediaPipe interpolates: scores near the threshold need them.
        whole, between = cv2.convertMaps(places[0], places[1], cv2.CV_16SC2)
        crop = cv2.remap(image, whole, between, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(crop, dtype=np.uint8)

    def place(self, points: npt.NDArray[np.float32], width: int, height: int) -> Points:
        """Convert fractions of the region to fractions of the image, as MediaPipe does.

        Args:
            points: float32 of shape (n, 3).
            width: Width of the image in px.
            height: Its height.
        """
        axes = self._to_image / [[width], [height]]
        # MediaPipe scales z as the region's upper edge, in fractions of width and height alike.
        to_fractions = np.zeros((3, 3))
        to_fractions[:2, :2], to_fractions[2, 2] = axes[:, :2], math.hypot(*axes[:, 0])
        placed: Points = (points @ to_fractions.T + [*axes[:, 2], 0.0]).astype(np.float32)
        return placed


class _Network:
    """A network of float32 tensors on one thread, as MediaPipe runs it.

    Args:
        model: Content of its `.tflite` file.
        low: Input for a color value of 0.
        high: Input for a color value of 255.
    """

    def __init__(self, model: bytes, low: float, high: float) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        (given,) = self._interpreter.get_input_details()
        self._input = self._interpreter.tensor(given["index"])
        results = self._interpreter.get_output_details()[:2]
        self._outputs = [self._interpreter.tensor(result["index"]) for result in results]
        self._scale, self._low = np.float32((high - low) / 255), np.float32(low)

    def run(self, pixels: RgbImage) -> list[npt.NDArray[np.float32]]:
        """Return the first two outputs for uint8 RGB of shape (H, W, 3)."""
        # While the network runs, no view of its tensors may be in use.
        np.multiply(pixels, self._scale, out=self._input()[0], dtype=np.float32)
        if self._low:
            self._input()[0] += self._low
        self._interpreter.invoke()
        return [output().copy() for output in self._outputs]
