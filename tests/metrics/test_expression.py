"""Expression metrics, recomputed from the confusion matrix by hand."""

import numpy as np
import pytest
import torch

from faceml.metrics.expression import expression_metrics


def test_expression_metrics__equal_their_definitions_over_several_batches() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(60, 8, generator=generator)
    labels = torch.randint(0, 8, (60,), generator=generator)
    metrics = expression_metrics(8)
    for part in (slice(0, 25), slice(25, 26), slice(26, 60)):
        metrics.update(logits[part], labels[part])
    result = metrics.compute()

    confusion = np.zeros((8, 8), dtype=int)
    np.add.at(confusion, (labels.numpy(), logits.numpy().argmax(axis=1)), 1)
    f1 = 2 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1))
    assert result.keys() == {"accuracy", "macro_f1", "confusion_matrix"}
    assert result["accuracy"].item() == pytest.approx(np.trace(confusion) / 60)
    assert result["macro_f1"].item() == pytest.approx(f1.mean())
    assert result["confusion_matrix"].tolist() == confusion.tolist()


def test_expression_metrics__macro_f1_leaves_out_classes_that_never_occur() -> None:
    metrics = expression_metrics(8)
    metrics.update(torch.eye(8)[[0, 0, 1, 2]], torch.tensor([0, 0, 1, 1]))
    # F1 of classes 0, 1, 2: 1, 2/3 (precision 1, recall 1/2), 0 (predicted, never true).
    assert metrics.compute()["macro_f1"].item() == pytest.approx((1 + 2 / 3 + 0) / 3)
