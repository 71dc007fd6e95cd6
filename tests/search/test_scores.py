"""Metric of a search, and the number of epochs of its trials."""

import pytest

from faceml.config.loading import parse_config
from faceml.config.train import TrainConfig
from faceml.search.scores import epochs_to_train


def configured(selection: dict[str, str] | None = None, **training: int) -> TrainConfig:
    split = {"table": "table", "images": None}
    raw = {"data": {"train": split, "val": split}, "training": {"epochs": 10} | training}
    return parse_config(TrainConfig, raw | {"selection": selection, "run": {"folder": "run"}})


@pytest.mark.parametrize(
    ("accuracies", "epochs"),
    [
        ([0.7, 0.85, 0.9, 0.89, 0.89, 0.89], 6),  # three epochs after the best one
        ([0.7, 0.85, 0.9, 0.89, 0.89], 10),
        ([0.7, 0.7, 0.7, 0.7], 4),  # an equal value is no improvement
        ([None, None, None], 3),
        ([None, 0.1, None, None], 10),
        ([], 10),
    ],
)
def test_epochs_to_train__is_the_epoch_at_which_patience_ends(
    accuracies: list[float | None], epochs: int
) -> None:
    records = [{"epoch": n, "val/accuracy": value} for n, value in enumerate(accuracies, start=1)]
    assert epochs_to_train(configured(patience_epochs=3), records) == epochs
    assert epochs_to_train(configured(), records) == 10


def test_epochs_to_train__follows_the_metric_that_selects_epochs() -> None:
    train = configured({"metric": "landmarks/nme_interocular"}, patience_epochs=1)
    errors = [(1, 0.3), (2, 0.2), (3, 0.25)]
    records = [{"epoch": n, "val/accuracy": n / 10, "val/nme_interocular": error} for n, error in errors]
    assert epochs_to_train(train, records) == 3
    assert epochs_to_train(train, records[:2]) == 10
