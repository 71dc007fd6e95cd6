"""Plausibility of landmarks: distance of their shape from the shape expected for the head pose.

Shape letters: N faces, L landmarks, D = 2L − 4 coordinates of a shape, P terms of head pose.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Shapes = npt.NDArray[np.complex128]
"""Landmarks as complex numbers x + iy, centred and of size 1, of shape (N, L)."""

MOST_FITTED = 10_000
"""Number of faces that the model is fitted to: for 10 landmarks it has about 350 parameters."""
FACES_AT_ONCE = 1 << 13
FITTED_SHARE = 0.9
"""Share of the sampled faces with the smallest distances that the model is fitted to again."""
CONCENTRATION_STEPS = (
    3  # further steps do not change the order; Rousseeuw & Van Driessen recommend few as well
)


def implausibility(points: npt.NDArray[np.floating], pose_deg: npt.NDArray[np.floating]) -> Floats:
    """Return the distance of each face's landmarks from the shape expected for its head pose.

    It is the Mahalanobis distance of the shape, without position, size and in-plane rotation, from its
    regression on yaw, pitch and their squares. Regression and covariance are refitted to the faces with the
    smallest distances, so that wrong landmarks do not bias them (the concentration steps of
    Rousseeuw & Van Driessen 1999, "A fast algorithm for the minimum covariance determinant estimator").

    Args:
        points: Landmarks of shape (N, L, 2), L > 2, x and y in the same unit, such as px.
        pose_deg: Yaw and pitch of shape (N, 2), degrees; NaN is replaced by 0.

    Returns:
        float64 of shape (N,), at least 0; infinite where all points of a face coincide or one is not finite.
        With very few faces all distances are nearly equal.
    """
    if not len(points):
        return np.zeros(0)
    sample = slice(None, None, -(-len(points) // MOST_FITTED))
    model = _fit(_shapes(points[sample]), _pose_terms(pose_deg[sample]))
    return np.concatenate(
        [
            model.distances(
                _shapes(points[start : start + FACES_AT_ONCE]),
                _pose_terms(pose_deg[start : start + FACES_AT_ONCE]),
            )
            for start in range(0, len(points), FACES_AT_ONCE)
        ]
    )


@dataclass(frozen=True)
class _ShapeModel:
    """Model of shapes in dependence on head pose.

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

    def distances(self, shapes: Shapes, pose: Floats) -> Floats:
        """Return the Mahalanobis distances of shapes, float64 of shape (N,)."""
        residuals = _tangent_coordinates(shapes, self.mean, self.tangent) - pose @ self.coefficients
        lengths = np.linalg.norm(residuals @ self.whitening, axis=1)
        return np.where(np.isfinite(lengths), lengths, np.inf)


def _fit(shapes: Shapes, pose: Floats) -> _ShapeModel:
    sound = np.isfinite(shapes).all(axis=1)
    shapes, pose = shapes[sound], pose[sound]
    model = _fit_once(shapes, pose)
    for _ in range(CONCENTRATION_STEPS if len(shapes) else 0):
        distances = model.distances(shapes, pose)
        near = distances <= np.quantile(distances, FITTED_SHARE)
        model = _fit_once(shapes[near], pose[near])
    return model


def _fit_once(shapes: Shapes, pose: Floats) -> _ShapeModel:
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
    return _ShapeModel(mean, tangent, coefficients, axes / np.sqrt(variances + smallest))


def _shapes(points: npt.NDArray[np.floating]) -> Shapes:
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


def _pose_terms(pose_deg: npt.NDArray[np.floating]) -> Floats:
    """Return 1, yaw, pitch and the squares of both in radians, float64 of shape (N, P)."""
    pose = np.radians(np.nan_to_num(np.asarray(pose_deg, dtype=np.float64)))
    return np.concatenate([np.ones((len(pose), 1)), pose, pose**2], axis=1)
