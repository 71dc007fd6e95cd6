"""Trials of two values of a setting, side by side.

Shape letters: C configurations, n seeds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faceml.search.seed_groups import settings_key, without_seed
from faceml.search.trial import SEED, Trial, setting_keys

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """What a trial adds to a comparison.

    Attributes:
        configuration: Its settings without the seed.
        setting: Those of them that trials of both values have; the value is none of them.
        seed: Its seed, None without one.
        score: Its best score up to the epoch.
        last_score: That of the epoch, or of the last one before; NaN without.
    """

    configuration: str
    setting: str
    seed: Any
    score: float
    last_score: float


def measured_arms(
    trials: Sequence[Trial], key: str, values: tuple[str, str], epoch: int | None
) -> tuple[list[Measured], list[Measured]]:
    """Return what is known of both values, by scores up to an epoch; None takes the finished trials."""
    chosen = [[trial for trial in trials if str(trial.settings.get(key)) == value] for value in values]
    a_keys, b_keys = (set(setting_keys(arm)) for arm in chosen)
    shared = (a_keys & b_keys) - {key, SEED}
    first, second = ([_measured(t, shared, epoch) for t in arm if _counts(t, epoch)] for arm in chosen)
    return first, second


def _counts(trial: Trial, epoch: int | None) -> bool:
    reached = trial.finished if epoch is None else trial.error is None and trial.epochs >= epoch
    return reached and not math.isnan(trial.best_score_until(trial.max_epochs if epoch is None else epoch))


def _measured(trial: Trial, shared: set[str], epoch: int | None) -> Measured:
    until = trial.max_epochs if epoch is None else epoch
    last = next(
        record[trial.metric] for record in reversed(trial.records) if record["epoch"] <= until
    )  # of an epoch that the trial reached
    settings = without_seed(trial)
    return Measured(
        configuration=settings_key(settings),
        setting=settings_key({name: settings[name] for name in shared if name in settings}),
        seed=trial.settings.get(SEED),
        score=trial.best_score_until(until),
        last_score=math.nan if last is None else last,
    )


def scores_by_cell(arm: list[Measured]) -> dict[tuple[str, Any], Floats]:
    """Return best and last score by setting and seed, means over what only this value has."""
    cells: dict[tuple[str, Any], list[tuple[float, float]]] = {}
    for measured in arm:
        cells.setdefault((measured.setting, measured.seed), []).append((measured.score, measured.last_score))
    return {cell: np.mean(scores, axis=0) for cell, scores in cells.items()}


def complete_scores(arm: list[Measured], seeds: list[Any]) -> Floats:
    """Return best and last scores of the configurations that all seeds have, of shape (C, n, 2)."""
    configurations: dict[str, dict[Any, tuple[float, float]]] = {}
    for m in arm:
        configurations.setdefault(m.configuration, {})[m.seed] = (m.score, m.last_score)
    rows = [[c[seed] for seed in seeds] for c in configurations.values() if c.keys() >= set(seeds)]
    return np.array(rows).reshape(len(rows), len(seeds), 2)


def left_out_scores(table: Floats, direction: int) -> Floats:
    """Return each seed's scores of the configuration that is best with the other seeds, of shape (n, 2)."""
    scores = direction * table[:, :, 0]
    others = scores.sum(axis=1, keepdims=True) - scores
    chosen: Floats = table[others.argmax(axis=0), np.arange(table.shape[1])]
    return chosen
