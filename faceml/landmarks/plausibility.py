"""Plausibility of detected faces: the shape of the mesh, then the appearance of the face.

MediaPipe's detector takes animals, patterns and parts of faces for faces, and its landmark network lays a
mesh on each. The mesh of what is no face has an unusual shape. A linear model of the shape (Cootes et al.
1995, "Active Shape Models") costs little and singles out about one face in a hundred; only these are cut out,
and their histograms of oriented gradients (Dalal and Triggs 2005) decide.
"""

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from faceml.images import RgbImage, align_face
from faceml.landmarks.detector import Points, select_points
from faceml.tables import LANDMARK_SETS

Array = npt.NDArray[np.floating[Any]]

MODEL_FILE = "plausibility.npz"
VERTEX_STEP = 3
"""Every third vertex of the mesh describes the shape as well as all of them."""
MOST_DEVIATION = 6.0
"""Bound of a shape parameter in standard deviations."""
CROP_PX = 64
"""Side of the aligned face; cells of 8 px and blocks of 16 px."""
EYES = (33, 133), (362, 263)
"""Corners of the eyes at the viewer's left and right."""
POINTS = LANDMARK_SETS[5]


@dataclass(frozen=True)
class FacePlausibility:
    """A logistic model of the shape, and one of shape and appearance for faces of unusual shape.

    Attributes:
        mean: float32 of shape (D,): mean shape of V = D / 3 vertices.
        components: float32 of shape (D, K): orthonormal principal components of the shapes of faces.
        deviations: float32 of shape (K,): standard deviations along them.
        linear: float32 of shape (K,): weights of the shape parameters in standard deviations.
        square: float32 of shape (K,): weights of their squares.
        residual: Weight of the logarithm of the distance from the subspace of the components.
        bias: Constant of the shape score.
        gradients: float32 of shape (1764,): weights of the histograms of oriented gradients.
        gradients_bias: Constant of the appearance score.
        usual_shape: Shape score from which a face is plausible whatever its appearance.
        weights: float32 of shape (2,): weights of shape and appearance score in the decision.
        threshold: Weighted sum of both from which a face of unusual shape is plausible.
    """

    mean: Array
    components: Array
    deviations: Array
    linear: Array
    square: Array
    residual: float
    bias: float
    gradients: Array
    gradients_bias: float
    usual_shape: float
    weights: Array
    threshold: float

    @classmethod
    def read(cls) -> Self:
        """Read the model that faceml contains."""
        with as_file(files(__package__) / MODEL_FILE) as path, np.load(path) as stored:
            arrays = {name: stored[name].astype(np.float32) for name in stored.files}
        values: dict[str, Any] = {
            name: array if array.ndim else float(array) for name, array in arrays.items()
        }
        return cls(**values)

    def is_plausible(self, image: RgbImage, mesh: Points) -> bool:
        """Return whether a detected face is one.

        Args:
            image: uint8 RGB of shape (H, W, 3).
            mesh: float32 of shape (478, 3), x and y in fractions of the image's size, z in the scale of x.
        """
        height, width = image.shape[:2]
        shape = self.shape_score(mesh_shape(mesh, width, height))
        if shape >= self.usual_shape:
            return True
        appearance = self.appearance_score(gradient_histograms(image, mesh))
        return bool(self.weights @ (shape, appearance) >= self.threshold)

    def shape_score(self, shape: Array) -> float:
        """Return the score of a shape of `mesh_shape`; larger is more plausible."""
        centered = shape - self.mean
        along = centered @ self.components
        outside = max(float(centered @ centered - along @ along), 1e-12)
        parameters = np.clip(along / self.deviations, -MOST_DEVIATION, MOST_DEVIATION)
        score = parameters @ (self.linear + parameters * self.square)
        return float(score + self.residual * np.log(outside) / 2 + self.bias)

    def appearance_score(self, histograms: Array) -> float:
        """Return the score of the features of `gradient_histograms`; larger is more plausible."""
        return float(histograms @ self.gradients + self.gradients_bias)


def mesh_shape(mesh: Points, width: int, height: int) -> npt.NDArray[np.float32]:
    """Return the shape of a mesh, without its place, its size and the tilt of the eyes.

    Args:
        mesh: float32 of shape (478, 3), as in `FacePlausibility.is_plausible`.
        width: Width of the image in px.
        height: Its height.

    Returns:
        float32 of shape (480,): x, y and z of every third vertex, at a mean squared distance of 1 from 0.
    """
    scale = np.array([width, height, width], dtype=np.float32)
    left, right = (mesh[list(corners), :2].sum(axis=0) * scale[:2] for corners in EYES)
    across, down = right - left
    length = max(float(np.hypot(across, down)), 1e-6)
    cos, sin = across / length, down / length
    level = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], dtype=np.float32)
    points = mesh[::VERTEX_STEP] * scale @ level
    points -= points.mean(axis=0)
    radius = max(math.sqrt((points**2).sum() / len(points)), 1e-6)
    return np.asarray(points.ravel() / radius, dtype=np.float32)


def gradient_histograms(image: RgbImage, mesh: Points) -> npt.NDArray[np.float32]:
    """Return the histograms of oriented gradients of a face moved onto ArcFace's template.

    Args:
        image: uint8 RGB of shape (H, W, 3).
        mesh: float32 of shape (478, 3), as in `FacePlausibility.is_plausible`.

    Returns:
        float32 of shape (1764,).
    """
    aligned = align_face(image, select_points(mesh, POINTS).astype(np.float64), CROP_PX)
    return np.asarray(_descriptor().compute(cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY)), dtype=np.float32)


@cache
def _descriptor() -> Any:
    return cv2.HOGDescriptor((CROP_PX, CROP_PX), (16, 16), (8, 8), (8, 8), 9)
