"""What is said of an image: its faces, as objects and as plain values.

Shape letters: L landmarks, D embedding dimensions, E expressions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faceml.datasets import EXPRESSIONS
from faceml.landmarks import HeadPose
from faceml.tables import LANDMARK_SETS, Status

Values = npt.NDArray[np.float32]

DIGITS = 6
"""Of numbers in JSON; float32 has about seven."""


@dataclass(frozen=True)
class FacePrediction:
    """What the network says of one face.

    Attributes:
        box: Of shape (4,): left, top, right, bottom of what the network saw, as fractions of the image's
            width and height; they may lie beyond it.
        probabilities: Of shape (E,), of the expressions in the order of `EXPRESSIONS`.
        landmarks: Of shape (L, 2), fractions of the image's width and height.
        embedding: Of shape (D,), any length.
        pose: Of the head, by MediaPipe; None if faces were not looked for.
    """

    box: Values
    probabilities: Values
    landmarks: Values
    embedding: Values
    pose: HeadPose | None = None

    @property
    def expression(self) -> str:
        """The most probable one."""
        return EXPRESSIONS[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """Its probability."""
        return float(self.probabilities.max())

    def as_plain(self) -> dict[str, Any]:
        """Return it as plain values with names, for JSON."""
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


@dataclass(frozen=True)
class ImagePrediction:
    """What is said of one image.

    Attributes:
        image: Its path, or its number among those that were given as bytes or pixels.
        status: `ok`, `no_face`, or why there are no pixels.
        width: In px, upright; 0 if there are no pixels.
        height: The same.
        faces: The largest first.
    """

    image: str
    status: Status
    width: int = 0
    height: int = 0
    faces: tuple[FacePrediction, ...] = ()

    def as_plain(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return {
            "image": self.image,
            "status": self.status,
            "width": self.width,
            "height": self.height,
            "faces": [face.as_plain() for face in self.faces],
        }


def _rounded(values: Values) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
