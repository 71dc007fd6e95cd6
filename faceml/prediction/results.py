"""Predictions of faces and images, and counts of them.

Shape letters: L landmarks, D embedding dimensions, E expressions.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faceml.landmarks import HeadPose
from faceml.page import first_names
from faceml.tables import Status
from faceml.tasks import DIGITS, Task, Tasks, Values, output_name, rounded

PREDICTED = ("ok", "no_face")
"""Statuses of images that were decoded."""
MAX_NAMES = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FacePrediction:
    """Prediction of one face.

    `expression`, `confidence`, `probabilities` and `landmarks` are those of the tasks `expression` and
    `landmarks`, which a training has without the setting `tasks`.

    Attributes:
        box: Left, top, right and bottom of the crop seen by the network, of shape (4,), fractions of the
            image's width and height; the crop may reach beyond the image.
        outputs: Outputs of all tasks by name, as in exported models; points are fractions of the image's
            width and height.
        embedding: Of shape (D,), not normalised.
        tasks: The tasks of the network, by name.
        pose: Head pose by MediaPipe; None if faces are not detected.
    """

    box: npt.NDArray[np.float32]
    outputs: Values
    embedding: npt.NDArray[np.float32]
    tasks: Tasks
    pose: HeadPose | None = None

    @property
    def results(self) -> dict[str, Any]:
        """Results of all tasks by the names of their Parquet columns, such as `expression` or `pose`."""
        return {
            name: value for task in self.tasks.values() for name, value in task.as_row(self.outputs).items()
        }

    @property
    def expression(self) -> str:
        """The most probable expression."""
        return str(self._task("expression").as_row(self.outputs)["expression"])

    @property
    def confidence(self) -> float:
        """The probability of the most probable expression."""
        return float(self.probabilities.max())

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """Probabilities of the expressions, of shape (E,), in the order of their classes."""
        return self.outputs[output_name(self._task("expression").name, "probabilities")]

    @property
    def landmarks(self) -> npt.NDArray[np.float32]:
        """Landmarks, of shape (L, 2), fractions of the image's width and height."""
        return self.outputs[self._task("landmarks").name]

    def as_plain(self) -> dict[str, Any]:
        """Return plain values with names, for JSON."""
        angles = {name: angle and round(angle, DIGITS) for name, angle in self._angles().items()}
        results = (task.as_plain(self.outputs) for task in self.tasks.values())
        named = {name: value for result in results for name, value in result.items()}
        return {"box": rounded(self.box), **named, **angles, "embedding": rounded(self.embedding)}

    def as_row(self) -> dict[str, Any]:
        """Return the values of the Parquet schema."""
        return {"box": self.box, **self.results, **self._angles(), "embedding": self.embedding}

    def _task(self, name: str) -> Task[Any]:
        if name not in self.tasks:
            raise AttributeError(f"the model has no task '{name}'; see `results` for {', '.join(self.tasks)}")
        return self.tasks[name]

    def _angles(self) -> dict[str, float | None]:
        names = ("yaw_deg", "pitch_deg", "roll_deg")
        return {name: getattr(self.pose, name) if self.pose else None for name in names}


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
    """Counts of images by status, and of faces by the names that tasks give them.

    Args:
        columns: Columns with these names, such as classes: text or lists of text; see `named_columns`.

    Attributes:
        statuses: Number of images of each status.
        faces: Number of faces.
        names: Number of faces of each name, by column.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self.statuses = Counter[str]()
        self.faces = 0
        self.names = {column: Counter[str]() for column in columns}
        self._failed: list[str] = []

    def add(self, image: str, status: str, faces: Iterable[Mapping[str, Any]]) -> None:
        """Count an image and its faces, given as rows of the Parquet schema."""
        self.statuses[status] += 1
        for face in faces:
            self.faces += 1
            for column, counts in self.names.items():
                counts.update([face[column]] if isinstance(face[column], str) else face[column])
        if status not in PREDICTED and len(self._failed) <= MAX_NAMES:
            self._failed.append(f"{image} ({status})")

    def log_failed(self) -> None:
        """Log the names of images without a prediction."""
        count = sum(n for status, n in self.statuses.items() if status not in PREDICTED)
        if count:
            logger.warning("%d images have no prediction: %s", count, first_names(self._failed, MAX_NAMES))
