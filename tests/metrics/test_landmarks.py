"""Landmark metrics, recomputed by hand."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from faceml.metrics.landmarks import LandmarkAgreement
from faceml.tables.landmark_sets import LANDMARK_SETS

# Points whose mean is the centre of the left and of the right eye.
EYES = {5: ([0], [1]), 10: ([0, 1], [2, 3])}


def faces(num_landmarks: int, count: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(num_landmarks)
    predicted, target = torch.rand(2, count, num_landmarks, 2, generator=generator)
    has_landmarks = torch.arange(count) % 3 != 1
    return predicted, target.where(has_landmarks[:, None, None], torch.nan), has_landmarks


def nme_by_hand(predicted: Tensor, target: Tensor, has_landmarks: Tensor) -> npt.NDArray[np.float64]:
    """Distance of each point over the inter-ocular distance, float64 of shape (faces with landmarks, L)."""
    left, right = EYES[predicted.shape[1]]
    rows = []
    for i in np.flatnonzero(has_landmarks.numpy()):
        p, t = predicted[i].double().numpy(), target[i].double().numpy()
        eye_to_eye = t[left].mean(axis=0) - t[right].mean(axis=0)
        rows.append(np.hypot(*(p - t).T) / np.hypot(*eye_to_eye))
    return np.array(rows)


@pytest.mark.parametrize("num_landmarks", [5, 10])
def test_landmark_agreement__equals_its_definition_over_several_batches(num_landmarks: int) -> None:
    predicted, target, has_landmarks = faces(num_landmarks)
    metric = LandmarkAgreement(LANDMARK_SETS[num_landmarks])
    for part in (slice(0, 2), slice(2, 3), slice(3, 7)):
        metric.update(predicted[part], target[part], has_landmarks[part])
    result = {name: value.item() for name, value in metric.compute().items()}

    nme = nme_by_hand(predicted, target, has_landmarks)
    errors = (predicted - target)[has_landmarks].double().numpy()
    assert result.pop("mse") == pytest.approx((errors**2).mean())
    assert result.pop("nme_interocular") == pytest.approx(nme.mean())
    names = LANDMARK_SETS[num_landmarks].names
    assert result == pytest.approx({f"nme_{name}": nme[:, i].mean() for i, name in enumerate(names)})


def test_landmark_agreement__a_shift_by_a_tenth_of_the_eye_distance_is_an_nme_of_a_tenth() -> None:
    target = torch.tensor([[[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.4, 0.8], [0.6, 0.8]]])
    metric = LandmarkAgreement(LANDMARK_SETS[5])
    metric.update(target + torch.tensor([0.0, 0.04]), target, torch.tensor([True]))
    assert metric.compute()["nme_interocular"].item() == pytest.approx(0.1, rel=1e-5)


def test_landmark_agreement__is_nan_until_a_face_has_landmarks() -> None:
    predicted, target, has_landmarks = faces(5)
    metric = LandmarkAgreement(LANDMARK_SETS[5])
    metric.update(predicted, torch.full_like(target, torch.nan), torch.zeros(7, dtype=torch.bool))
    assert all(value.isnan() for value in metric.compute().values())
    metric.update(predicted, target, has_landmarks)
    assert all(value.isfinite() for value in metric.compute().values())
