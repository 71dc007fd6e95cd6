"""Plausibility of landmarks: distance of their shape from the shape expected for the head pose.

Shape letters: N faces, L landmarks, D = 2L − 4 coordinates of a shape, P terms of head pose.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Points = npt.NDArray[np.floating]
Shapes = npt.NDArray[np.complex128]
"""Landmarks as complex numbers x + iy, centred and of size 1, of shape (N, L)."""

FITTED_SHARE = 0.9
"""Share of the faces with the smallest distances that the model is fitted to again."""
CONCENTRATION_STEPS = (
    3  # further steps do not change the order; Rousseeuw & Van Driessen recommend few as well
)


@dataclass(frozen=True)
class ShapeModel:
    """Model of the shape of landmarks in dependence on head pose.

    Attributes:
        mean: complex128 of shape (L,), centred and of size 1.
        tangent: complex128 of shape (L, D / 2), orthonormal basis of the tangent space at the mean.
        coefficients: float64 of shape (P, D), coefficients of the regression on head pose.
        whitening: float64 of shape (D, D); the norm of a whitened residual is its distance.
    """

    mean: Shapes
    tangent: Shapes
    coefficients: Floats
    whitening: Floats

    @staticmethod
    def fit(points: Points, pose_deg: Points) -> "ShapeModel":
        """Fit the model to faces.

        It is a regression of the shape on yaw, pitch and their squares. Regression and covariance are
        refitted to the faces with the smallest distances, so that wrong landmarks do not bias them (the
        concentration steps of Rousseeuw & Van Driessen 1999, "A fast algorithm for the minimum covariance
        determinant estimator").

        Args:
            points: Landmarks of shape (N, L, 2), N > 0, L > 2, x and y in the same unit, such as px.
            pose_deg: Yaw and pitch of shape (N, 2), degrees; NaN is replaced by 0.
        """
        shapes, pose = _shapes(points), _pose_terms(pose_deg)
        sound = np.isfinite(shapes).all(axis=1)
        shapes, pose = shapes[sound], pose[sound]
        model = _fit_once(shapes, pose)
        for _ in range(CONCENTRATION_STEPS if len(shapes) else 0):
            distances = model._distances(shapes, pose)
            near = distances <= np.quantile(distances, FITTED_SHARE)
            model = _fit_once(shapes[near], pose[near])
        return model

    def distances(self, points: Points, pose_deg: Points) -> Floats:
        """Return the distance of each face's landmarks from the shape expected for its head pose.

        It is the Mahalanobis distance of the shape, without position, size and in-plane rotation, from the
        regression.

        Args:
            points: Landmarks of shape (N, L, 2), as in `fit`.
            pose_deg: Yaw and pitch of shape (N, 2), as in `fit`.

        Returns:
            float64 of shape (N,), at least 0; infinite where all points of a face coincide or one is not
            finite. With a model of very few faces all their distances are nearly equal.
        """
        return self._distances(_shapes(points), _pose_terms(pose_deg))

    def _distances(self, shapes: Shapes, pose: Floats) -> Floats:
        residuals = _tangent_coordinates(shapes, self.mean, self.tangent) - pose @ self.coefficients
        lengths = np.linalg.norm(residuals @ self.whitening, axis=1)
        return np.where(np.isfinite(lengths), lengths, np.inf)


def _fit_once(shapes: Shapes, pose: Floats) -> ShapeModel:
    # The full Procrustes mean: the leading eigenvector of the sum of z zᴴ (Kent 1994, "The complex Bingham
    # distribution and shape analysis"), which needs no iterative alignment in the plane.
    mean = np.linalg.eigh(shapes.T @ shapes.conj())[1][:, -1]
    frame = np.stack([np.ones_like(mean), mean], axis=1)
    tangent = np.linalg.qr(frame, mode="complete")[0][:, 2:]
    coordinates = _tangent_coordinates(shapes, mean, tangent)
    coefficients = np.asarray(np.linalg.lstsq(pose, coordinates, rcond=None)[0], dtype=np.float64)
    residuals = coordinates - pose @ coefficients
    # Shrinkage towards a multiple of the identity, with the weight of as many residuals as coordinates: the
    # covariance of few faces would be singular.
    added = np.square(residuals).mean() if len(residuals) else 0.0
    number = residuals.shape[1]
    covariance = (residuals.T @ residuals + number * added * np.eye(number)) / (len(residuals) + number)
    variances, axes = np.linalg.eigh(covariance)
    smallest = np.finfo(np.float64).eps  # for identical faces; shapes have size 1
    return ShapeModel(mean, tangent, coefficients, axes / np.sqrt(variances + smallest))


def _shapes(points: Points) -> Shapes:
    """Remove position and size from landmarks; NaN where the size is 0."""
    finite = np.where(np.isfinite(points), points, np.nan).astype(np.float64)
    shapes: Shapes = finite[..., 0] + 1j * finite[..., 1]
    shapes -= shapes.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(shapes, axis=1, keepdims=True)
    np.divide(shapes, sizes, out=shapes, where=sizes > 0)
    shapes[~(sizes[:, 0] > 0)] = np.nan
    return shapes


def _tangent_coordinates(shapes: Shapes, mean: Shapes, tangent: Shapes) -> Floats:
    """Rotate shapes to the mean and return their differences from it, float64 of shape (N, D).

    They are the partial Procrustes tangent coordinates of Dryden & Mardia 2016, "Statistical Shape Analysis".
    """
    along_mean = shapes @ mean.conj()
    turned = shapes * np.exp(-1j * np.angle(along_mean))[:, None]
    return np.ascontiguousarray(turned @ tangent.conj()).view(np.float64)


def _pose_terms(pose_deg: Points) -> Floats:
    """Return 1, yaw, pitch and the squares of both in radians, float64 of shape (N, P)."""
    pose = np.radians(np.nan_to_num(np.asarray(pose_deg, dtype=np.float64)))
    return np.concatenate([np.ones((len(pose), 1)), pose, pose**2], axis=1)
