"""Calibration, computed by hand and for simulated networks."""

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassCalibrationError

from faceml.metrics.calibration import measure_calibration


def drawn(rng: np.random.Generator, count: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of eight classes, and labels drawn from them."""
    logits = rng.normal(0, 2, (count, 8))
    exponentials = np.exp(logits)
    true = exponentials / exponentials.sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    sharpened = np.exp(sharpness * logits)
    return sharpened / sharpened.sum(axis=1, keepdims=True), labels


def test_measure_calibration__by_hand() -> None:
    """Confidences 0.9 and 0.9 with one right, 0.6 right."""
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4]])
    found = measure_calibration(probabilities, np.array([0, 0, 0]))
    assert found.counts.sum() == 3
    assert found.ece == pytest.approx((2 * abs(0.5 - 0.9) + abs(1 - 0.6)) / 3)
    assert found.overconfidence == pytest.approx(0.8 - 2 / 3)
    assert np.nanmax(found.accuracy) == 1


def test_measure_calibration__is_that_of_torchmetrics() -> None:
    probabilities, labels = drawn(np.random.default_rng(1), 500, 1.7)
    theirs = MulticlassCalibrationError(num_classes=8, n_bins=15, norm="l1")
    expected = theirs(torch.from_numpy(probabilities), torch.from_numpy(labels))
    assert measure_calibration(probabilities, labels).ece == pytest.approx(float(expected), abs=1e-6)


def test_measure_calibration__tells_chance_from_overconfidence() -> None:
    rng = np.random.default_rng(2)
    calibrated = [measure_calibration(*drawn(rng, 400, 1.0)) for _ in range(40)]
    assert sum(found.is_off for found in calibrated) <= 6  # 2 of 40 are expected
    too_sure = measure_calibration(*drawn(rng, 400, 2.0))
    assert too_sure.is_off
    assert too_sure.overconfidence > 0.1
    too_modest = measure_calibration(*drawn(rng, 400, 0.4))
    assert too_modest.overconfidence < -0.1
