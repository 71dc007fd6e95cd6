"""Predictions of faces and images, and counts of them.

Shape letters: L landmarks, D embedding dimensions, E expressions.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faceml.datasets import EXPRESSIONS
from faceml.landmarks import HeadPose
from faceml.page import first_names
from faceml.tables import LANDMARK_SETS, Status

Values = npt.NDArray[np.float32]

DIGITS = 6
"""Decimal places of numbers in JSON; float32 has about seven digits."""
PREDICTED = ("ok", "no_face")
"""Statuses of images that were decoded."""
MAX_NAMES = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FacePrediction:
    """Prediction of one face.

    Attributes:
        box: Left, top, right and bottom of the crop seen by the network, of shape (4,), fractions of the
            image's width and height; the crop may reach beyond the image.
        probabilities: Probabilities of the expressions, of shape (E,), in the order of `EXPRESSIONS`.
        landmarks: Of shape (L, 2), fractions of the image's width and height.
        embedding: Of shape (D,), not normalised.
        pose: Head pose by MediaPipe; None if faces are not detected.
    """

    box: Values
    probabilities: Values
    landmarks: Values
    embedding: Values
    pose: HeadPose | None = None

    @property
    def expression(self) -> str:
        """The most probable expression."""
        return EXPRESSIONS[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """The probability of the most probable expression."""
        return float(self.probabilities.max())

    def as_plain(self) -> dict[str, Any]:
        """Return plain values with names, for JSON."""
        pose = self.pose
        names = LANDMARK_SETS[len(self.landmarks)].names
        return {
            "box": _rounded(self.box),
            "expression": self.expression,
            "probabilities": dict(zip(EXPRESSIONS, _rounded(self.probabilities), strict=True)),
            "landmarks": dict(zip(names, map(_rounded, self.landmarks), strict=True)),
            "yaw_deg": None if pose is None else round(pose.yaw_deg, DIGITS),
            "pitch_deg": None if pose is None else round(pose.pitch_deg, DIGITS),
            "roll_deg": None if pose is None else round(pose.roll_deg, DIGITS),
            "embedding": _rounded(self.embedding),
        }

    def as_row(self) -> dict[str, Any]:
        """Return the values of the Parquet schema."""
        return {
            "box": self.box,
            "expression": self.expression,
            "probabilities": self.probabilities,
            "landmarks": self.landmarks.ravel(),
            "yaw_deg": self.pose.yaw_deg if self.pose else None,
            "pitch_deg": self.pose.pitch_deg if self.pose else None,
            "roll_deg": self.pose.roll_deg if self.pose else None,
            "embedding": self.embedding,
        }


@dataclass(frozen=True)
class ImagePrediction:
    """Prediction of one image.

    Attributes:
        image: Path of the image, or its index if it was given as bytes or pixels.
        status: `ok`, `no_face`, or the reason why the image was not decoded.
        width: Width of the upright image in px; 0 if it was not decoded.
        height: Height of the upright image in px; 0 if it was not decoded.
        faces: Faces, the largest first.
    """

    image: str
    status: Status
    width: int = 0
    height: int = 0
    faces: tuple[FacePrediction, ...] = ()

    def as_plain(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "image": self.image,
            "status": self.status,
            "width": self.width,
            "height": self.height,
            "faces": [face.as_plain() for face in self.faces],
        }

    def as_row(self) -> dict[str, Any]:
        """Return the values of the Parquet schema, without the image's name."""
        return {
            "status": self.status,
            "width": self.width or None,
            "height": self.height or None,
            "faces": [face.as_row() for face in self.faces],
        }


class PredictionCounts:
    """Counts of images by status and of faces by expression.

    Attributes:
        statuses: Number of images of each status.
        expressions: Number of faces of each expression.
    """

    def __init__(self) -> None:
        self.statuses = Counter[str]()
        self.expressions = Counter[str]()
        self._failed: list[str] = []

    def add(self, image: str, status: str, expressions: Iterable[str]) -> None:
        """Count an image and its faces."""
        self.statuses[status] += 1
        self.expressions.update(expressions)
        if status not in PREDICTED and len(self._failed) <= MAX_NAMES:
            self._failed.append(f"{image} ({status})")

    def log_failed(self) -> None:
        """Log the names of images without a prediction."""
        count = sum(n for status, n in self.statuses.items() if status not in PREDICTED)
        if count:
            logger.warning("%d images have no prediction: %s", count, first_names(self._failed, MAX_NAMES))


def _rounded(values: Values) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
