"""Searches with known scores."""

from collections.abc import Callable
from itertools import count, product
from typing import Any

from faceml.config.sections.losses import LossConfig
from faceml.config.sections.tasks import default_tasks
from faceml.config.train import SelectionConfig
from faceml.search.trial import Trial
from faceml.tasks.selection import select_score

EPOCHS = 4
SCORES = {
    metric: select_score(SelectionConfig(metric=metric), default_tasks(LossConfig(), 5))
    for metric in ("val/accuracy", "val/macro_f1", "val/landmark_mse", "val/nme_interocular")
}
"""Metrics of expression and landmarks by their names in records."""


def trial(settings: dict[str, Any], score: float, **options: Any) -> Trial:
    """Return a trial that reaches its score in its last epoch; `epochs`, `error` and `metric` as wanted."""
    metric, epochs = options.get("metric", "val/accuracy"), options.get("epochs", EPOCHS)
    step = -0.01 if metric in ("val/landmark_mse", "val/nme_interocular") else 0.01
    records = [
        {"epoch": epoch, "val/accuracy": 0.5, metric: score - step * (epochs - epoch)}
        for epoch in range(1, epochs + 1)
    ]
    name = "-".join(f"{value}" for value in settings.values())
    return Trial(name, settings, records, EPOCHS, options.get("error"), SCORES[metric])


def grid(score: Callable[..., float], **values: list[Any]) -> list[Trial]:
    """Return a trial for each combination of values, whose keys are those of `KEYS`.

    Args:
        score: Function from the values, by name, to the score.
        values: By short name.
    """
    combinations = [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    numbers = count()
    found = []
    for chosen in combinations:
        one = trial({KEYS[name]: value for name, value in chosen.items()}, score(**chosen))
        found.append(Trial(f"trial_{next(numbers):03d}", one.settings, one.records, EPOCHS))
    return found


def search(**differences: list[float]) -> list[Trial]:
    """Return trials of `fixed` at 50 % and of others that differ from it by so much with each seed."""
    seeds = list(range(len(next(iter(differences.values())))))
    gains = {"fixed": [0.0] * len(seeds), **differences}
    return grid(lambda kind, seed: 0.5 + gains[kind][seed], kind=list(gains), seed=seeds)


KEYS = {
    "rate": "optimizer.learning_rate",
    "backbone": "model.backbone",
    "kind": "weighting.kind",
    "weight": "weighting.lambda_landmarks",
    "seed": "seed",
}
