"""Errors and moments of predicted numbers, recomputed by hand."""

import numpy as np
import pytest
import torch

from faceml.metrics.numbers import NumberAgreement

SIZES = (5, 1, 0, 14)


def numbers() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.randn(2, 20, 3, generator=generator)
    return predicted + 2000, 0.5 * target + 2000


def test_number_agreement__equals_its_definition_over_several_batches() -> None:
    predicted, target = numbers()
    metric = NumberAgreement(3)
    for x, y in zip(predicted.split(SIZES), target.split(SIZES), strict=True):
        metric.update(x, y)
    found = metric.compute()
    x, y = predicted.double().numpy(), target.double().numpy()
    errors = np.abs(x - y)
    np.testing.assert_allclose(found.absolute, errors.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.squared, (errors**2).mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.moments, np.mean([x, y, x * x, y * y, x * y], axis=1), rtol=1e-12)
    assert found.deviation.item() == pytest.approx(errors.mean(1).std(ddof=1))
    assert found.images.item() == 20


@pytest.mark.parametrize("images", [0, 1])
def test_number_agreement__has_no_deviation_without_two_images(images: int) -> None:
    predicted, target = numbers()
    metric = NumberAgreement(3)
    metric.update(predicted[:images], target[:images])
    found = metric.compute()
    assert found.deviation.isnan()
    assert found.absolute.isnan().all() == (images == 0)
