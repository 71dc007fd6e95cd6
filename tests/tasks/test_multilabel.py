"""Multilabel classification: cells with and without annotation, flips, losses and metrics."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import f1_score, log_loss

from faceml.config.config_error import ConfigError
from faceml.config.sections.tasks import MultilabelConfig
from faceml.datasets.augmentation import Moves
from faceml.datasets.mixing import Mix
from faceml.datasets.targets import Target
from faceml.metrics.label_counts import LabelCounts
from faceml.tasks.multilabel import MISSING, MultilabelTask

COLUMNS = ("wink_left", "wink_right", "au12")


def task_of(**settings: Any) -> MultilabelTask:
    raw = {"kind": "multilabel", "target": COLUMNS, **settings}
    return MultilabelTask("units", MultilabelConfig.model_validate(raw))


def table(**columns: Any) -> pa.Table:
    return pa.table({"image_id": ["a.jpg", "b.jpg", "c.jpg"], **columns})


def drawn(count: int = 80) -> tuple[torch.Tensor, Target]:
    """Logits, and labels of which three in ten are missing, one row with all of its own."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(count, 3, generator=generator)
    values = (torch.rand(count, 3, generator=generator) < 0.4).float()
    values[torch.rand(count, 3, generator=generator) < 0.3] = MISSING
    values[5] = MISSING
    return logits, Target(values, (values != MISSING).any(dim=1))


def test_read__takes_numbers_and_booleans_and_leaves_empty_cells_out() -> None:
    target = task_of().read(
        table(
            wink_left=[1, None, 0],
            wink_right=pa.array([True, None, None]),
            au12=pa.array([0.0, float("nan"), 1.0]),
        ),
        "labels.csv",
    )
    assert target.values.tolist() == [[1, 1, 0], [MISSING] * 3, [0, MISSING, 1]]
    assert target.known.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 3, 1], r"^tasks\.units\.target: column au12 has 3 in b\.jpg; labels are 0, 1 or empty"),
        (["0", "1", "1"], r"^tasks\.units\.target: column au12 has values of type string; numbers"),
        ([[0], [1], [1]], r"^tasks\.units\.target: column au12 has values of type list"),
    ],
)
def test_read__another_value_is_named(values: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task_of().read(table(wink_left=[0, 0, 1], wink_right=[0, 0, 1], au12=values), "labels.csv")


def test_move__a_flip_exchanges_the_pairs_only() -> None:
    values = torch.tensor([[1.0, 0.0, 1.0], [1.0, MISSING, 0.0]])
    moves = Moves(torch.tensor([True, True]), torch.eye(2).repeat(2, 1, 1), torch.zeros(2, 2))
    swapped = task_of(swap_on_flip=[("wink_left", "wink_right")]).move(values, moves)
    assert swapped.tolist() == [[0, 1, 1], [MISSING, 1, 0]]
    one_flipped = moves._replace(flips=torch.tensor([False, True]))
    assert task_of(swap_on_flip=[("wink_right", "wink_left")]).move(values, one_flipped).tolist() == [
        [1, 0, 1],
        [MISSING, 1, 0],
    ]
    assert torch.equal(task_of().move(values, moves), values)


@pytest.mark.parametrize("weights", ["none", "inverse_frequency"])
def test_build_loss__is_the_mean_over_annotated_cells(weights: str) -> None:
    logits, target = drawn()
    task = task_of(loss={"positive_weights": weights})
    training = torch.tensor([[1.0, 0, 1], [0, 0, 1], [0, MISSING, 1], [0, 0, MISSING]])
    loss = task.build_loss(Target(training, torch.ones(4, dtype=torch.bool)))
    value = loss(logits.requires_grad_(), target, task.count(target))
    value.backward()
    # 1 positive to 3 negatives; labels without positives or without negatives keep weight 1.
    w = np.array([3.0, 1.0, 1.0]) if weights != "none" else np.ones(3)
    z, y = logits.detach().double().numpy(), target.values.numpy()
    p, given = 1 / (1 + np.exp(-z)), y != MISSING
    losses = -(w * y * np.log(p) + (1 - y) * np.log(1 - p))
    assert value.item() == pytest.approx(losses[given].mean(), rel=1e-5)
    gradient = np.where(given, -w * y * (1 - p) + (1 - y) * p, 0) / given.sum()
    np.testing.assert_allclose(logits.grad, gradient, atol=1e-6)


def test_build_metric__agrees_with_scikit_learn_label_by_label() -> None:
    logits, target = drawn()
    metric = task_of(threshold=0.3).build_metric()
    for rows in torch.arange(80).split([5, 1, 74]):  # the second batch has no annotation
        metric.update(logits[rows], Target(target.values[rows], target.known[rows]))
    found = metric.compute()
    probabilities, y = torch.sigmoid(logits.double()).numpy(), target.values.numpy()
    f1, accuracy = [], []
    for label, name in enumerate(COLUMNS):
        given = y[:, label] != MISSING
        truth, predicted = y[given, label], probabilities[given, label] > 0.3
        f1.append(f1_score(truth, predicted))
        accuracy.append((truth == predicted).mean())
        assert found[f"f1_{name}"].item() == pytest.approx(f1[-1])
        counts = [[int(((truth == a) & (predicted == b)).sum()) for b in (0, 1)] for a in (0, 1)]
        assert found["label_counts"][label].tolist() == counts
    assert found["macro_f1"].item() == pytest.approx(np.mean(f1))
    assert found["accuracy"].item() == pytest.approx(np.mean(accuracy))
    given = y != MISSING
    assert found["loss"].item() == pytest.approx(log_loss(y[given], probabilities[given]), rel=1e-5)


def test_build_metric__a_single_label_has_metrics_too() -> None:
    task = MultilabelTask("smile", MultilabelConfig(kind="multilabel", target=("smile",)))
    metric, values = task.build_metric(), torch.tensor([[0.0], [1.0], [MISSING], [1.0]])
    metric.update(torch.tensor([[-1.0], [2.0], [1.0], [-2.0]]), Target(values, values[:, 0] != MISSING))
    found = metric.compute()
    assert found["label_counts"].tolist() == [[[1, 0], [1, 1]]]
    assert found["f1_smile"].item() == found["macro_f1"].item() == pytest.approx(2 / 3)
    assert found["accuracy"].item() == pytest.approx(2 / 3)


def test_intervals__are_those_of_the_counts_and_absent_without_annotations() -> None:
    counts = [[[50, 10], [5, 35]], [[80, 4], [6, 10]], [[20, 20], [20, 40]]]
    low, high = task_of().intervals({"label_counts": counts})["macro_f1"]
    f1 = LabelCounts(np.array(counts)).f1().mean()
    assert low < f1 < high
    assert task_of().intervals({"label_counts": [[[0, 0], [0, 0]], *counts[1:]]}) == {}


def test_outputs__are_probabilities_and_logits() -> None:
    logits, _ = drawn()
    found = task_of().outputs(logits)
    assert list(found) == ["units_probabilities", "units_logits"]
    torch.testing.assert_close(found["units_probabilities"], torch.sigmoid(logits))
    assert task_of(threshold=0.3).contract() == {"labels": list(COLUMNS), "threshold": 0.3}


def test_mix__a_label_that_one_image_lacks_is_missing() -> None:
    task = MultilabelTask("task", MultilabelConfig(kind="multilabel", target=("a", "b")))
    values = torch.tensor([[1.0, 0.0], [0.0, MISSING], [1.0, 1.0]])
    target = Target(values, torch.tensor([True, True, True]))
    mixed = task.mix(target, Mix(torch.tensor([1, 0, 1]), torch.tensor([0.75, 0.5, 1.0])))
    torch.testing.assert_close(mixed.values, torch.tensor([[0.75, MISSING], [0.5, MISSING], [1.0, 1.0]]))
    assert mixed.known.all()
